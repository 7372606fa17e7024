package worker

import (
	"bytes"
	"encoding/json"
	"runtime"
	"runtime/debug"

	"driftless.dev/renderer/internal/failure"
	"driftless.dev/renderer/internal/object"
)

// What an object and a render may be. The host decodes, compares and stores each object more than once, and a value costs it
// many times its text: without these a small file of empty values takes gigabytes there.
const (
	// Readers of JSON on the way give up at 128 levels, and the object is a part of what they read.
	maxDepth = 100
	// A large CRD has some 30,000.
	maxObjectValues = 100_000
	// Some 5,000 Deployments.
	maxRenderValues = 300_000
	// The API server's own limit for a request.
	maxObjectBytes = 3 << 20
)

// withinLimits refuses, by file and name, what is too deep or too much.
func withinLimits(objects []object.Object) error {
	total := 0
	for _, one := range objects {
		values, deep := measure(one.Content, 1)
		if deep {
			return failure.New(one.Origin, "%s is nested more than %d levels deep", object.Name(one.Content), maxDepth)
		}
		if values > maxObjectValues {
			return failure.New(one.Origin, "%s has more than %d values", object.Name(one.Content), maxObjectValues).
				WithHint("split it into several objects")
		}
		if total += values; total > maxRenderValues {
			return failure.New("", "renders to more than %d values in all its objects", maxRenderValues).WithHint("split the app")
		}
	}
	return nil
}

// measure counts values, and says whether they are nested too deep. It stops where either is too much.
func measure(value any, depth int) (values int, deep bool) {
	values = 1
	below := func(item any) bool {
		found, tooDeep := measure(item, depth+1)
		values += found
		deep = deep || tooDeep
		return !deep && values <= maxObjectValues
	}
	switch value := value.(type) {
	case map[string]any:
		if depth > maxDepth {
			return values, true
		}
		for _, item := range value {
			if !below(item) {
				return values, deep
			}
		}
	case []any:
		if depth > maxDepth {
			return values, true
		}
		for _, item := range value {
			if !below(item) {
				return values, deep
			}
		}
	}
	return values, deep
}

// encode writes the objects as one JSON list. What has no JSON, as a number that is not one, is the input's fault.
func encode(objects []object.Object) ([]byte, error) {
	var body bytes.Buffer
	for _, one := range objects {
		text, err := json.Marshal(one)
		if err != nil {
			return nil, failure.New(one.Origin, "%s cannot be written as JSON: it contains a value that JSON does not have, such as .inf", object.Name(one.Content))
		}
		if len(text) > maxObjectBytes {
			return nil, failure.New(one.Origin, "%s is %d bytes long; the limit of an API server is %d", object.Name(one.Content), len(text), maxObjectBytes).
				WithHint("split it into several objects")
		}
		if body.Len() == 0 {
			body.WriteByte('[')
		} else {
			body.WriteByte(',')
		}
		body.Write(text)
	}
	body.WriteByte(']')
	return body.Bytes(), nil
}

// A heap of this size is given back before the worker waits for the next render.
const largeHeap = 96 << 20

func giveBack() {
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	if stats.HeapSys-stats.HeapReleased > largeHeap {
		debug.FreeOSMemory()
	}
}
