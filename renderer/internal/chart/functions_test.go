package chart

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/Masterminds/sprig/v3"
)

// Depend on their arguments alone. `env` and `expandenv` are taken away by Helm.
const pure = `
abbrev abbrevboth add add1 add1f addf adler32sum all any append atoi b32dec b32enc b64dec b64enc base biggest buildCustomCert camelcase cat ceil chunk clean
coalesce compact concat contains date_modify dateModify decryptAES deepCopy deepEqual default derivePassword dict dig dir div divf duration empty env expandenv
ext fail first float64 floor fromJson get has hasKey hasPrefix hasSuffix hello indent initial initials int int64 isAbs join kebabcase kindIs kindOf last list
lower max maxf merge mergeOverwrite min minf mod mul mulf mustAppend mustChunk mustCompact must_date_modify mustDateModify mustDeepCopy mustFirst mustFromJson
mustHas mustInitial mustLast mustMerge mustMergeOverwrite mustPrepend mustPush mustRegexFind mustRegexFindAll mustRegexMatch mustRegexReplaceAll
mustRegexReplaceAllLiteral mustRegexSplit mustRest mustReverse mustSlice mustToDate mustToJson mustToPrettyJson mustToRawJson mustUniq mustWithout nindent
nospace omit osBase osClean osDir osExt osIsAbs pick pluck plural prepend push quote regexFind regexFindAll regexMatch regexQuoteMeta regexReplaceAll
regexReplaceAllLiteral regexSplit repeat replace rest reverse round semver semverCompare seq set sha1sum sha256sum sha512sum slice snakecase sortAlpha split
splitList splitn squote sub subf substr swapcase ternary title toDecimal toJson toPrettyJson toRawJson toString toStrings trim trimAll trimPrefix trimSuffix
trimall trunc tuple typeIs typeIsLike typeOf uniq unixEpoch unset until untilStep untitle upper urlJoin urlParse without wrap wrapWith
`

// A function that a newer library brings is looked at before it may decide what is rendered.
func TestEveryFunctionIsKnown(t *testing.T) {
	overridden := (&functions{}).overrides()
	known := strings.Fields(pure)
	for _, name := range slices.Sorted(maps.Keys(sprig.TxtFuncMap())) {
		if overridden[name] == nil && !slices.Contains(known, name) {
			t.Errorf("%s: does it depend on anything but its arguments? Then override it, else list it as pure", name)
		}
	}
}

func TestTheClockOfARound(t *testing.T) {
	at := time.Now().Add(-90 * time.Minute)
	first, err := (&functions{}).durationRound(at)
	if err != nil || first != "1h" {
		t.Errorf("%q, %v", first, err)
	}
	again, err := (&functions{round: 1}).durationRound(at)
	if err != nil || again == first {
		t.Errorf("%q in both rounds, %v", again, err)
	}
	for _, duration := range []any{"2h10m5s", int64(7_800_000_000_000)} {
		if rounded, err := (&functions{}).durationRound(duration); err != nil || rounded != "2h" {
			t.Errorf("%v: %q, %v", duration, rounded, err)
		}
	}
}

func TestKeysHaveAnOrder(t *testing.T) {
	dict := map[string]any{"c": 3, "a": 1, "b": 2}
	if all := keys(dict, map[string]any{"A": 0}); !slices.Equal(all, []string{"a", "b", "c", "A"}) {
		t.Error(all)
	}
	if all := values(dict); !slices.Equal(all, []any{1, 2, 3}) {
		t.Error(all)
	}
}
