package plain

import (
	"encoding/json"
	"strings"
	"testing"
)

// B4: keys that override those of a merged mapping are what merges are for; a key that is given twice is still refused.
func TestMergeKeys(t *testing.T) {
	const head = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n"
	cases := map[string]struct{ text, want string }{
		"overridden":        {"one: &one {name: one, x: 1}\ntwo:\n  <<: *one\n  name: two\n", `{"name":"two","x":1}`},
		"of a list":         {"one: &one {name: one}\nother: &other {name: other, z: 2}\ntwo:\n  <<: [*one, *other]\n  name: two\n", `{"name":"two","z":2}`},
		"in a merged one":   {"zero: &zero {name: zero, z: 0}\none: &one\n  <<: *zero\n  name: one\ntwo:\n  <<: *one\n  name: two\n", `{"name":"two","z":0}`},
		"given twice":       {"one: &one {name: one}\ntwo:\n  <<: *one\n  name: two\n  name: three\n", `7: not valid YAML: key "name" already set in map`},
		"twice in the base": {"one: &one {name: one, name: a}\ntwo:\n  <<: *one\n", "4: not valid YAML: key \"name\" already set in map"},
	}
	for name, one := range cases {
		t.Run(name, func(t *testing.T) {
			found, err := Parse([]byte(head+one.text), "a.yaml")
			if err != nil {
				line := strings.Split(one.want, ":")[0]
				if !strings.HasSuffix(one.want, err.Error()) || !strings.Contains("47", line) {
					t.Errorf("%v, not %s", err, one.want)
				}
				return
			}
			if got, _ := json.Marshal(found[0].Content["two"]); string(got) != one.want {
				t.Errorf("%s, not %s", got, one.want)
			}
		})
	}
}

// B18: what kustomize calls "unsupported type: map[interface {}]" has a file, a line and a key.
func TestOddKeys(t *testing.T) {
	failed := OddKey([]byte("a: 1\n---\nkind: ConfigMap\ndata:\n  80: http\n"), "a.yaml")
	if failed == nil || failed.Line != 5 || failed.Message != "the key 80 is not text" {
		t.Errorf("%+v", failed)
	}
	failed = OddKey([]byte("kind: ConfigMap\nmetadata:\n  name: {{ .Values.name }}\n"), "a.yaml")
	if failed == nil || failed.Line != 3 || failed.Message != "a key that is not text" {
		t.Errorf("%+v", failed)
	}
	if failed := OddKey([]byte("a: &a {b: c}\nd: {<<: *a, on: off, \"1\": 2}\n"), "a.yaml"); failed != nil {
		t.Errorf("%+v", failed)
	}
}
