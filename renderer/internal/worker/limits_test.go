package worker

import (
	"math"
	"strings"
	"testing"

	"driftless.dev/renderer/internal/object"
)

func nested(levels int) any {
	var value any = "end"
	for range levels {
		value = []any{value}
	}
	return value
}

func widget(name string, spec any) object.Object {
	content := map[string]any{"apiVersion": "example.com/v1", "kind": "Widget", "metadata": map[string]any{"name": name}, "spec": spec}
	return object.Object{Content: content, Origin: "apps/" + name + ".yaml"}
}

// X6, X10: each limit names the object and its file.
func TestLimitsNameTheObject(t *testing.T) {
	good := []object.Object{widget("a", nested(maxDepth-1)), widget("b", make([]any, maxObjectValues-10))}
	if err := withinLimits(good); err != nil {
		t.Errorf("refused: %v", err)
	}
	for want, spec := range map[string]any{
		"example.com/v1 Widget w is nested more than 100 levels deep": nested(maxDepth),
		"example.com/v1 Widget w has more than 100000 values":         make([]any, maxObjectValues),
	} {
		err := withinLimits([]object.Object{widget("a", 1), widget("w", spec)})
		if err == nil || err.Error() != want {
			t.Errorf("%v, not %s", err, want)
		}
	}
	var many []object.Object
	for range 5 {
		many = append(many, widget("w", make([]any, maxObjectValues-10)))
	}
	if err := withinLimits(many); err == nil || !strings.Contains(err.Error(), "300000 values in all") {
		t.Errorf("five large objects: %v", err)
	}
}

func TestWhatCannotBeWrittenIsTheObjectsFault(t *testing.T) {
	for want, spec := range map[string]any{
		"example.com/v1 Widget w cannot be written as JSON": math.Inf(1),
		"example.com/v1 Widget w is 41":                     strings.Repeat("x", 4<<20),
	} {
		_, err := encode([]object.Object{widget("a", 1), widget("w", spec)})
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%v, not %s", err, want)
		}
	}
}
