package chart

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"text/template"
	"time"

	"github.com/Masterminds/sprig/v3"
)

// Functions whose result is another one at each call. A use is noted, because a short value can be the same twice.
var randomFunctions = []string{
	"bcrypt", "encryptAES", "genCA", "genCAWithKey", "genPrivateKey", "genSelfSignedCert", "genSelfSignedCertWithKey", "genSignedCert",
	"genSignedCertWithKey", "htpasswd", "randAlpha", "randAlphaNum", "randAscii", "randBytes", "randInt", "randNumeric", "shuffle", "uuidv4",
}

// Functions that take a time, and take the present where they are given something else.
var dateFunctions = []string{"date", "dateInZone", "date_in_zone", "htmlDate", "htmlDateInZone", "toDate", "ago"}

// functions overrides what would make a render depend on anything but its input, so that a use is seen.
type functions struct {
	options Options
	round   int
	random  bool
}

func (f *functions) overrides() template.FuncMap {
	original := sprig.TxtFuncMap()
	overridden := template.FuncMap{
		"now":           f.now,
		"ago":           f.ago,
		"durationRound": f.durationRound,
		"keys":          keys,
		"values":        values,
		"getHostByName": func(name string) (string, error) { return "", errors.New("getHostByName: a render has no network") },
		"lookup":        f.lookup,
	}
	for _, name := range randomFunctions {
		if function, known := original[name]; known {
			overridden[name] = f.noting(function)
		}
	}
	for _, name := range dateFunctions {
		if function, known := original[name]; known && overridden[name] == nil {
			overridden[name] = f.dated(function)
		}
	}
	return overridden
}

func (f *functions) lookup(version, kind, namespace, name string) (map[string]any, error) {
	if f.options.EmptyLookup {
		return map[string]any{}, nil
	}
	return nil, fmt.Errorf("lookup of %s %s %s/%s: a render does not see the cluster; set helm.allowLookup for the app to make lookup return nothing", version, kind, namespace, name)
}

// now moves from round to round by more than a year and in every unit, so that no format hides it.
func (f *functions) now() time.Time {
	return time.Now().Add(time.Duration(f.round) * (400*24*time.Hour + 3*time.Hour + 7*time.Minute + 11*time.Second + 13*time.Millisecond))
}

func (f *functions) ago(date any) string {
	at, ok := date.(time.Time)
	if !ok {
		at = f.now()
	}
	return f.now().Sub(at).Round(time.Second).String()
}

// durationRound takes a time for how long it is ago.
func (f *functions) durationRound(duration any) (string, error) {
	if at, ok := duration.(time.Time); ok {
		duration = int64(f.now().Sub(at))
	}
	original, ok := sprig.TxtFuncMap()["durationRound"].(func(any) string)
	if !ok {
		return "", errors.New("durationRound: the library's is of another shape")
	}
	return original(duration), nil
}

// keys has the names in order: the library leaves it to chance, and a chart that takes the first gets another one each time.
func keys(dicts ...map[string]any) []string {
	var all []string
	for _, dict := range dicts {
		all = append(all, slices.Sorted(maps.Keys(dict))...)
	}
	return all
}

// values are in the order of their names.
func values(dict map[string]any) []any {
	all := make([]any, 0, len(dict))
	for _, name := range keys(dict) {
		all = append(all, dict[name])
	}
	return all
}

// noting wraps a function of any shape.
func (f *functions) noting(function any) any {
	value := reflect.ValueOf(function)
	return reflect.MakeFunc(value.Type(), func(args []reflect.Value) []reflect.Value {
		f.random = true
		if value.Type().IsVariadic() {
			return value.CallSlice(args)
		}
		return value.Call(args)
	}).Interface()
}

// dated replaces an argument of no time by the round's present, where the original would take the clock's.
func (f *functions) dated(function any) any {
	value := reflect.ValueOf(function)
	return reflect.MakeFunc(value.Type(), func(args []reflect.Value) []reflect.Value {
		for index, arg := range args {
			if arg.Kind() == reflect.Interface && !isTime(arg.Interface()) {
				args[index] = reflect.New(arg.Type()).Elem()
				args[index].Set(reflect.ValueOf(f.now()))
			}
		}
		return value.Call(args)
	}).Interface()
}

func isTime(value any) bool {
	switch value.(type) {
	case time.Time, *time.Time, int64, int, int32:
		return true
	}
	return false
}
