package plain

import (
	"bufio"
	"bytes"

	"driftless.dev/renderer/internal/failure"
	yamlv3 "go.yaml.in/yaml/v3"
	kyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

// toJSON reads one document, which starts at line first of file. The library's strict mode takes a key that overrides one of
// a merged mapping (`<<: *defaults`) for a key given twice: where there is a merge, only what the document itself gives twice
// counts.
func toJSON(document []byte, file string, first int) ([]byte, *failure.Failure) {
	raw, err := yaml.YAMLToJSONStrict(document)
	if err == nil {
		return raw, nil
	}
	if bytes.Contains(document, []byte("<<")) {
		root, parseErr := parse(document)
		if parseErr == nil {
			if twice := givenTwice(root); twice != nil {
				failed := failure.New(file, "not valid YAML: key %q already set in map", twice.Value)
				failed.Line = twice.Line + first - 1
				return nil, failed
			}
			if raw, err = yaml.YAMLToJSON(document); err == nil {
				return raw, nil
			}
		}
	}
	return nil, failure.ForYAML(err, document, file, first)
}

func parse(document []byte) (*yamlv3.Node, error) {
	var root yamlv3.Node
	return &root, yamlv3.Unmarshal(document, &root)
}

// lineOf is the line within a document of the value that keys lead to, or 0.
func lineOf(document []byte, path []string) int {
	root, err := parse(document)
	if err != nil || len(path) == 0 || len(root.Content) != 1 {
		return 0
	}
	node := root.Content[0]
	for _, key := range path {
		if node = valueOf(node, key); node == nil {
			return 0
		}
	}
	return node.Line
}

func valueOf(node *yamlv3.Node, key string) *yamlv3.Node {
	for index := 0; node.Kind == yamlv3.MappingNode && index+1 < len(node.Content); index += 2 {
		if node.Content[index].Value == key {
			return node.Content[index+1]
		}
	}
	return nil
}

// givenTwice returns the second of two equal keys of one mapping, or nil. Aliases are not followed: their mappings are looked
// at where they stand.
func givenTwice(node *yamlv3.Node) *yamlv3.Node {
	seen := map[string]bool{}
	for index, child := range node.Content {
		if node.Kind == yamlv3.MappingNode && index%2 == 0 && child.Kind == yamlv3.ScalarNode {
			key := child.ShortTag() + " " + child.Value
			if seen[key] {
				return child
			}
			seen[key] = true
		}
		if twice := givenTwice(child); twice != nil {
			return twice
		}
	}
	return nil
}

// OddKey finds the first key in a file that is not text, such as a number or a mapping: kustomize cannot write such an object,
// and does not say which it is.
func OddKey(content []byte, file string) *failure.Failure {
	reader := kyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(content)))
	for line := 1; ; {
		document, err := reader.Read()
		if err != nil {
			return nil
		}
		if root, err := parse(document); err == nil {
			if odd := oddKey(root); odd != nil {
				return oddKeyFailed(odd, file, line+odd.Line-1)
			}
		}
		line += bytes.Count(document, []byte("\n")) + 1
	}
}

func oddKeyFailed(odd *yamlv3.Node, file string, line int) *failure.Failure {
	failed := failure.New(file, "a key that is not text")
	failed.Line = line
	if odd.Kind == yamlv3.ScalarNode {
		failed.Message = "the key " + odd.Value + " is not text"
		return failed.WithHint("quote it: %q", odd.Value)
	}
	return failed.WithHint("expected a key, found a mapping; unrendered template braces look like one")
}

func oddKey(node *yamlv3.Node) *yamlv3.Node {
	for index, child := range node.Content {
		if node.Kind == yamlv3.MappingNode && index%2 == 0 {
			switch {
			case child.Kind == yamlv3.AliasNode:
			case child.Kind != yamlv3.ScalarNode:
				return child
			case child.ShortTag() != "!!str" && child.ShortTag() != "!!merge":
				return child
			}
		}
		if odd := oddKey(child); odd != nil {
			return odd
		}
	}
	return nil
}
