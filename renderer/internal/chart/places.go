package chart

import (
	"path"
	"slices"
	"strings"

	"driftless.dev/renderer/internal/repo"
	"helm.sh/helm/v4/pkg/chart/loader/archive"
	helm "helm.sh/helm/v4/pkg/chart/v2"
	"sigs.k8s.io/yaml"
)

// places tells where the files of a chart and of its subcharts are. The library calls a subchart by its alias or its name,
// which need not be its folder's, and it may be packed.
type places struct {
	dir string
	// From how the library calls a subchart (charts/alias, charts/alias/charts/sub) to what is there, below dir.
	real map[string]string
}

// placesOf is to be asked before the library gives subcharts the names of their aliases.
func placesOf(loaded *helm.Chart, files []*archive.BufferedFile, dir string) places {
	found := places{dir: dir, real: map[string]string{}}
	found.add(loaded, files, "", "")
	return found
}

func (p places) add(parent *helm.Chart, files []*archive.BufferedFile, called, real string) {
	for _, child := range parent.Dependencies() {
		at := real
		// What is within an archive is there.
		if path.Ext(real) != ".tgz" {
			if at = folderOf(child.Name(), files, real); at == "" {
				continue
			}
		}
		names := []string{child.Name()}
		for _, wanted := range parent.Metadata.Dependencies {
			if wanted != nil && wanted.Name == child.Name() && wanted.Alias != "" {
				names = append(names, wanted.Alias)
			}
		}
		for _, name := range names {
			name = path.Join(called, "charts", name)
			p.real[name] = at
			p.add(child, files, name, at)
		}
	}
}

// folderOf is where a subchart of this name is: the folder of its name, another one, or an archive.
func folderOf(name string, files []*archive.BufferedFile, parent string) string {
	charts := path.Join(parent, "charts")
	exact := path.Join(charts, name)
	packed := ""
	other := ""
	for _, file := range files {
		below, found := strings.CutPrefix(file.Name, charts+"/")
		entry, within, nested := strings.Cut(below, "/")
		switch {
		case !found:
		case nested && within == "Chart.yaml" && entry == name:
			return exact
		case nested && within == "Chart.yaml" && nameIn(file.Data) == name:
			other = path.Join(charts, entry)
		case !nested && path.Ext(entry) == ".tgz" && strings.HasPrefix(entry, name+"-"):
			packed = path.Join(charts, entry)
		}
	}
	if other != "" {
		return other
	}
	return packed
}

func nameIn(chartFile []byte) string {
	var about struct {
		Name string `json:"name"`
	}
	if yaml.Unmarshal(chartFile, &about) != nil {
		return ""
	}
	return about.Name
}

// origin turns the library's name of a template (chart/templates/a.yaml, chart/charts/sub/templates/b.yaml) into a path.
func (p places) origin(name string) string {
	_, below, _ := strings.Cut(name, "/")
	parts := strings.Split(below, "/")
	for length := range slices.Backward(parts) {
		real, known := p.real[strings.Join(parts[:length], "/")]
		switch {
		case !known:
		case path.Ext(real) == ".tgz":
			return repo.Join(p.dir, real)
		default:
			return repo.Join(p.dir, path.Join(append([]string{real}, parts[length:]...)...))
		}
	}
	return repo.Join(p.dir, below)
}
