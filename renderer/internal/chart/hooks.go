package chart

import (
	"fmt"
	"slices"
	"strings"

	"driftless.dev/renderer/internal/failure"
	"driftless.dev/renderer/internal/object"
	release "helm.sh/helm/v4/pkg/release/v1"
)

// hook is an object that belongs to an event of a release. There is no release here: tests are left out, and other hooks are
// refused.
type hook struct {
	object object.Object
	events string
}

func hookEvents(one object.Object) string {
	metadata, _ := one.Content["metadata"].(map[string]any)
	annotations, _ := metadata["annotations"].(map[string]any)
	events, _ := annotations[release.HookAnnotation].(string)
	return events
}

func isTest(events string) bool {
	for event := range strings.SplitSeq(events, ",") {
		switch strings.ToLower(strings.TrimSpace(event)) {
		case "test", "test-success", "test-failure":
		default:
			return false
		}
	}
	return true
}

// told names the events that helm knows; what else stands there is no event, and may be anything.
func told(events string) string {
	var known []string
	for event := range strings.SplitSeq(events, ",") {
		event = strings.TrimSpace(event)
		if !slices.Contains(knownEvents, release.HookEvent(event)) {
			event = "another event"
		}
		known = append(known, event)
	}
	return strings.Join(known, ",")
}

var knownEvents = []release.HookEvent{
	release.HookPreInstall, release.HookPostInstall, release.HookPreDelete, release.HookPostDelete, release.HookPreUpgrade,
	release.HookPostUpgrade, release.HookPreRollback, release.HookPostRollback, release.HookTest, "crd-install", "test-success", "test-failure",
}

// mostNamed is how many hooks one message names.
const mostNamed = 20

// notRun names all hooks at once: whoever turns them off should not have to look again for each.
func notRun(hooks []hook) error {
	first := hooks[0]
	if len(hooks) == 1 {
		return failure.New(first.object.Origin, "%s is a hook (%s: %s), and hooks are not run",
			object.Name(first.object.Content), release.HookAnnotation, told(first.events)).
			WithHint("disable it in the chart's values, or remove the annotation to apply it like any other object")
	}
	var named []string
	for _, one := range hooks[:min(len(hooks), mostNamed)] {
		named = append(named, fmt.Sprintf("%s (%s) in %s", object.Name(one.object.Content), told(one.events), one.object.Origin))
	}
	if more := len(hooks) - len(named); more > 0 {
		named = append(named, fmt.Sprintf("%d more", more))
	}
	return failure.New(first.object.Origin, "%d objects are hooks (%s), and hooks are not run: %s",
		len(hooks), release.HookAnnotation, strings.Join(named, "; ")).
		WithHint("disable them in the chart's values, or remove the annotation to apply them like any other object")
}
