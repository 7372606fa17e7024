package overlay

import (
	"bytes"
	"strings"

	yamlv3 "go.yaml.in/yaml/v3"
)

// objects lists the kinds and names of what is in a YAML file. Documents in plain block style are read by their lines, without
// being parsed: kustomize does that, and it is most of what a render costs. What is written otherwise, and lists, are parsed.
// What kustomize may read in another way is left to the second pass.
func objects(content []byte) ([]place, bool) {
	var all []place
	one := document{}
	for line := range bytes.Lines(content) {
		text := strings.TrimRight(string(line), " \t\r\n")
		if text == "---" || strings.HasPrefix(text, "--- #") {
			found, ok := one.end()
			if !ok {
				return nil, false
			}
			all, one = append(all, found...), document{}
			continue
		}
		if !one.add(line, text) {
			return nil, false
		}
	}
	found, ok := one.end()
	return expand(append(all, found...)), ok
}

// document is what its lines tell of it.
type document struct {
	content    bytes.Buffer
	kind, name string
	inMetadata bool
	// How far the fields of its metadata are indented.
	indent string
	odd    bool
	filled bool
}

func (d *document) add(line []byte, text string) bool {
	d.content.Write(line)
	switch {
	case text == "" || text[0] == '#':
	case text[0] == ' ' || text[0] == '\t':
		d.within(text)
	case strings.HasPrefix(text, "---"), strings.HasPrefix(text, "..."), text[0] == '%':
		return false
	case strings.HasPrefix(text, "kind:"):
		value := scalar(strings.TrimPrefix(text, "kind:"))
		if d.kind != "" || value == "" {
			return false
		}
		d.kind, d.filled, d.inMetadata = value, true, false
	case strings.ContainsRune(`{[&!|>"'?`, rune(text[0])):
		d.odd, d.filled = true, true
	default:
		d.inMetadata, d.filled = text == "metadata:", true
		// In flow style or with an anchor: the name is not on a line of its own.
		if strings.HasPrefix(text, "metadata:") && !d.inMetadata {
			d.odd = true
		}
	}
	return true
}

func (d *document) within(text string) {
	if !d.inMetadata {
		return
	}
	field := strings.TrimLeft(text, " ")
	indent := text[:len(text)-len(field)]
	if d.indent == "" {
		d.indent = indent
	}
	if indent == d.indent && strings.HasPrefix(field, "name:") {
		d.name = scalar(strings.TrimPrefix(field, "name:"))
	}
}

func scalar(text string) string {
	value, _, _ := strings.Cut(text, " #")
	return strings.Trim(strings.TrimSpace(value), `"'`)
}

// parsed is as much of an object as places it.
type parsed struct {
	Kind     string `yaml:"kind"`
	Metadata struct {
		Name string `yaml:"name"`
	} `yaml:"metadata"`
	Items yamlv3.Node `yaml:"items"`
}

func (d *document) end() ([]place, bool) {
	if !d.filled {
		return nil, true
	}
	if !d.odd && d.kind != "" && !strings.HasSuffix(d.kind, "List") {
		return []place{{kind: d.kind, name: d.name}}, true
	}
	var one parsed
	if yamlv3.Unmarshal(d.content.Bytes(), &one) != nil || one.Kind == "" {
		return nil, false
	}
	return one.place()
}

// place is one object, or a list that is still to be expanded.
func (p *parsed) place() ([]place, bool) {
	isList := strings.HasSuffix(p.Kind, "List") && p.Items.Kind != 0
	if !isList {
		return []place{{kind: p.Kind, name: p.Metadata.Name}}, true
	}
	items := &p.Items
	if items.Kind == yamlv3.AliasNode {
		items = items.Alias
	}
	if items.Kind == yamlv3.ScalarNode && items.Tag == "!!null" {
		return nil, true
	}
	if items.Kind != yamlv3.SequenceNode {
		return nil, false
	}
	all := []place{}
	for _, item := range items.Content {
		var one parsed
		if item.Decode(&one) != nil || one.Kind == "" {
			return nil, false
		}
		found, ok := one.place()
		if !ok {
			return nil, false
		}
		all = append(all, found...)
	}
	return []place{{listed: all}}, true
}

// expand puts what is in lists where kustomize puts it: behind all that stands in the file.
func expand(all []place) []place {
	var out []place
	for len(all) > 0 {
		first := all[0]
		all = all[1:]
		if first.listed != nil {
			all = append(all, first.listed...)
			continue
		}
		out = append(out, first)
	}
	return out
}
