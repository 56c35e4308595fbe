package guest

import (
	"encoding/json"
	"reflect"

	"github.com/vivarium-run/vivarium/guest-sdk/internal/schema"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// The schemas of a manifest are derived when the manifest is asked for, which is at an upload, so no
// start of an instance pays for them. Nil says nothing: any value will do.

// schemaIn returns the schema of what clients send as a t; a nil t has none.
func schemaIn(t reflect.Type) json.RawMessage {
	if t == nil {
		return nil
	}
	return schema.Of(t, schema.In)
}

// schemaOut returns the schema of what clients get as a t; a nil t has none.
func schemaOut(t reflect.Type) json.RawMessage {
	if t == nil {
		return nil
	}
	return schema.Of(t, schema.Out)
}

// schemaOfEvent returns the schema of an event's list of arguments.
func schemaOfEvent(args ...reflect.Type) json.RawMessage {
	return schema.List(args, len(args), schema.Out)
}

// schemaOfArgs returns the schema of an action's list of arguments.
func schemaOfArgs(params []param) json.RawMessage {
	types := make([]reflect.Type, len(params))
	for i, p := range params {
		types[i] = p.typ
	}
	return schema.List(types, required(params), schema.In)
}

// schemaOfInput returns the schema of the input that a Def's Create takes.
func schemaOfInput(create any) json.RawMessage {
	if m, ok := create.(Maker); ok {
		return schemaIn(m.input())
	}
	t := reflect.TypeOf(create)
	if t == nil || t.Kind() != reflect.Func || t.NumIn() < 2 {
		return nil
	}
	return schemaIn(t.In(1))
}

// schemaOfParams returns the schema of the connection params that the first of a Def's functions takes, in the
// form of its Create.
func schemaOfParams(funcs ...any) json.RawMessage {
	for _, f := range funcs {
		if schema := schemaOfInput(f); schema != nil {
			return schema
		}
	}
	return nil
}

// manifest describes the action.
func (a *action[S]) manifest() abi.ActionManifest {
	m := abi.ActionManifest{Args: schemaOfArgs(a.params), Result: schema.Null()}
	if a.result {
		m.Result = schemaOut(a.out)
	}
	return m
}
