package object

import (
	"encoding/base64"
	"maps"
	"slices"
	"strings"

	"driftless.dev/renderer/internal/failure"
)

// secretData refuses values of a Secret that no API server takes, by their key: the server would only say at which byte.
// The value itself is in no message.
func secretData(one Object) error {
	if one.Content["kind"] != "Secret" || one.Content["apiVersion"] != "v1" {
		return nil
	}
	data, _ := one.Content["data"].(map[string]any)
	for _, key := range slices.Sorted(maps.Keys(data)) {
		text, isText := data[key].(string)
		if data[key] == nil {
			continue
		}
		if isText {
			// The decoder skips line breaks, as the server does.
			if _, err := base64.StdEncoding.DecodeString(text); err == nil {
				continue
			}
		}
		failed := failure.New(one.Origin, "%s: data.%s is not base64", Name(one.Content), key)
		if strings.HasPrefix(text, "ENC[") {
			return failed.WithHint("it is encrypted, and Driftless does not decrypt it")
		}
		return failed.WithHint("encode the value, or put the plain text under stringData")
	}
	return nil
}
