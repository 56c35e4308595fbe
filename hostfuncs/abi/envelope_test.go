package abi_test

import (
	"reflect"
	"testing"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// A turn that is read where another one was has nothing of that.
func TestParseTurnOver(t *testing.T) {
	first := abi.Turn{Kind: abi.KindAction, Actor: "counter", Name: "increment", Args: []byte("[1]"), Request: 7, Reload: true, Caller: "ann", Sender: "x", Origin: "y", Conn: []byte("{}"), Head: []byte("{}"), Context: []byte("c")}
	second := abi.Turn{Kind: abi.KindWake, Actor: "counter"}
	var got abi.Turn
	for _, want := range []abi.Turn{first, second, first} {
		if err := abi.ParseTurn(&got, abi.AppendTurn(nil, &want)); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%+v, %v, want %+v", got, err, want)
		}
	}
}
