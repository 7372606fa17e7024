package object

import (
	"strings"
	"testing"
)

// TestNoValueIsQuoted: what stands where an object is expected is told by its type. X11+: a bare number was quoted.
func TestNoValueIsQuoted(t *testing.T) {
	cases := map[string]string{
		`4711`:              "a number",
		`47.11`:             "a number",
		`true`:              "true or false",
		`"hunter2"`:         "a string",
		`["hunter2", 4711]`: "a list",
	}
	for text, want := range cases {
		list := `{"apiVersion": "v1", "kind": "List", "items": [` + text + `]}`
		for _, document := range []string{text, list} {
			_, err := Parse([]byte(document), "a.yaml")
			if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "4711") || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("%s: %v", document, err)
			}
		}
	}
}
