package chart

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"driftless.dev/renderer/internal/failure"
	"driftless.dev/renderer/internal/object"
)

// compare names the fields in which two renders differ, by RFC 6901 pointers. Two renders of other objects are an error:
// there is no field to name then.
func compare(first, again []object.Object) ([]Volatile, error) {
	names := map[string]int{}
	for index, one := range again {
		names[object.Key(one.Content)] = index
	}
	if len(first) != len(again) {
		return nil, failure.New("", "two renders return %d and %d objects", len(first), len(again))
	}
	var all []Volatile
	for index, one := range first {
		other, known := names[object.Key(one.Content)]
		if !known {
			return nil, failure.New(one.Origin, "a %v has a different name at each render", one.Content["kind"]).
				WithHint("its name comes from a random function or the time: give it a fixed one")
		}
		for _, pointer := range differences("", one.Content, again[other].Content) {
			all = append(all, Volatile{Object: index, Pointer: pointer})
		}
	}
	return all, nil
}

var escaped = strings.NewReplacer("~", "~0", "/", "~1")

func differences(at string, one, other any) []string {
	switch one := one.(type) {
	case map[string]any:
		if other, ok := other.(map[string]any); ok {
			return mapDifferences(at, one, other)
		}
	case []any:
		if other, ok := other.([]any); ok && len(one) == len(other) {
			var all []string
			for index := range one {
				all = append(all, differences(at+"/"+strconv.Itoa(index), one[index], other[index])...)
			}
			return all
		}
	}
	if reflect.DeepEqual(one, other) {
		return nil
	}
	return []string{at}
}

func mapDifferences(at string, one, other map[string]any) []string {
	var all []string
	for name, value := range one {
		below := fmt.Sprintf("%s/%s", at, escaped.Replace(name))
		if otherValue, known := other[name]; known {
			all = append(all, differences(below, value, otherValue)...)
		} else {
			all = append(all, below)
		}
	}
	for name := range other {
		if _, known := one[name]; !known {
			all = append(all, at+"/"+escaped.Replace(name))
		}
	}
	return all
}
