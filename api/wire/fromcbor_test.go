package wire

import (
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"github.com/fxamacker/cbor/v2"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

func TestFromCBOR(t *testing.T) {
	tests := []struct {
		name, in string // hex
		want     string
		wantErr  string // substring; empty means success
	}{
		{name: "captured from the client", in: "b90001657374617274 05", want: `{"start":5}`},
		{name: "order is kept", in: "a3 617a01 616102 616d03", want: `{"z":1,"a":2,"m":3}`},
		{name: "integers", in: "86 00 17 1818 20 3863 1b001fffffffffffff", want: `[0,23,24,-1,-100,9007199254740991]`},
		{name: "least safe integer", in: "3b001ffffffffffffe", want: `-9007199254740991`},
		{name: "unsafe integer", in: "1b0020000000000000", want: `["$BigInt","9007199254740992"]`},
		{name: "unsafe negative", in: "3b001fffffffffffff", want: `["$BigInt","-9007199254740992"]`},
		{name: "most negative", in: "3bffffffffffffffff", want: `["$BigInt","-18446744073709551616"]`},
		{name: "bignum", in: "c249010000000000000000", want: `["$BigInt","18446744073709551616"]`},
		{name: "negative bignum", in: "c349010000000000000000", want: `["$BigInt","-18446744073709551617"]`},
		{name: "floats", in: "85 f93c00 fa3fc00000 fb3ff199999999999a f90001 fb7fefffffffffffff", want: `[1,1.5,1.1,5.960464477539063e-8,1.7976931348623157e+308]`},
		{name: "no numbers", in: "84 f97e00 f97c00 f9fc00 fb8000000000000000", want: `[null,null,null,0]`},
		{name: "simple values", in: "84 f4 f5 f6 f7", want: `[false,true,null,["$Undefined",0]]`},
		{name: "bytes", in: "420900", want: `["$Uint8Array","CQA="]`},
		{name: "typed array", in: "d840 4109", want: `["$Uint8Array","CQ=="]`},
		{name: "big integer of the client", in: "82 67 24426967496e74 6135", want: `["$BigInt","5"]`},
		{name: "escaped by the client", in: "82 63 242478 01", want: `["$$x",1]`},
		{name: "date", in: "c1 1a514b67b0", want: `"2013-03-21T20:04:00.000Z"`},
		{name: "date with fraction", in: "c1 fb41d452d9ec200000", want: `"2013-03-21T20:04:00.500Z"`},
		{name: "date before 1970", in: "c1 20", want: `"1969-12-31T23:59:59.000Z"`},
		{name: "date after 9999", in: "c1 1b000000e8d4a51000", want: `"+033658-09-27T01:46:40.000Z"`},
		{name: "date before year 0", in: "c1 3b000000e8d4a50fff", want: `"-029719-04-05T22:13:20.000Z"`},
		{name: "invalid date", in: "c1 f97e00", want: `null`},
		{name: "date out of range", in: "c1 1b0000ffffffffffff", wantErr: "out of range"},
		{name: "date of text", in: "c1 6161", wantErr: "not a number"},
		{name: "map of the client", in: "d90103 a1 6161 01", want: `{"a":1}`},
		{name: "map with numbers for names", in: "d90103 a1 01 01", wantErr: "no text"},
		{name: "set", in: "d90102 82 01 02", want: `["$Set",[1,2]]`},
		{name: "set of no list", in: "d90102 01", wantErr: "not a list"},
		{name: "unknown tag", in: "d9ffff 6161", want: `"a"`},
		{name: "text", in: "6a c3bc220a5ce29c935c 5c", wantErr: "", want: `"ü\"\n\\✓\\\\"`},
		{name: "name twice", in: "a2 6161 01 6161 02", wantErr: "twice"},
		{name: "ten names", in: "aa 613001 613101 613201 613301 613401 613501 613601 613701 613801 613901", want: `{"0":1,"1":1,"2":1,"3":1,"4":1,"5":1,"6":1,"7":1,"8":1,"9":1}`},
		{name: "first of ten names twice", in: "aa 613001 613101 613201 613301 613401 613501 613601 613701 613801 613001", wantErr: "twice"},
		{name: "ninth of ten names twice", in: "aa 613001 613101 613201 613301 613401 613501 613601 613701 613801 613801", wantErr: "twice"},
		{name: "text to escape", in: "65 3c223e5c26", want: `"\u003c\"\u003e\\\u0026"`},
		{name: "text not UTF-8", in: "61ff", wantErr: "UTF-8"},
		{name: "name not UTF-8", in: "a1 61ff 01", wantErr: "UTF-8"},
		{name: "empty", in: "", wantErr: "too early"},
		{name: "trailing bytes", in: "01 01", wantErr: "extraneous"},
		{name: "indefinite list", in: "9f 01 ff", wantErr: "indefinite"},
		{name: "huge count", in: "9bffffffffffffffff", wantErr: "not a CBOR document"},
		{name: "huge string", in: "7b7fffffffffffffff", wantErr: "not a CBOR document"},
		{name: "nesting", in: strings.Repeat("81", MaxDepth+1) + "01", wantErr: "nested level"},
		{name: "tags nested", in: strings.Repeat("c6", 10_000) + "01", wantErr: "nested level"},
		{name: "unassigned simple value", in: "e0", wantErr: "no meaning"},
		{name: "wide bignum", in: "c2 590401" + strings.Repeat("ff", 1025), wantErr: "bignum"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b, err := hex.DecodeString(strings.ReplaceAll(tt.in, " ", ""))
			checkErr(t, err, "")
			got, err := FromCBOR(b, abi.MaxInput)
			checkErr(t, err, tt.wantErr)
			if string(got) != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

// One byte of CBOR can be 16 of JSON: the result is bounded while it grows.
func TestFromCBORBoundsItsResult(t *testing.T) {
	b := []byte{0x9a, 0, 1, 0xff, 0xff} // 131,071 items
	inner := append([]byte{0x98, 200}, make([]byte, 200)...)
	for i := range inner[2:] {
		inner[2+i] = 0xf7
	}
	for range 131_071 {
		b = append(b, inner...)
	}
	if _, err := FromCBOR(b, abi.MaxInput); !errors.Is(err, ErrTooLong) {
		t.Errorf("error %v, want %v", err, ErrTooLong)
	}
}

func FuzzFromCBOR(f *testing.F) {
	for _, s := range []string{"b9000165737461727405", "c11a514b67b0", "d9010282 0102", "a26161f76162fb3ff199999999999a", "c249010000000000000000"} {
		b, _ := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := FromCBOR(b, abi.MaxInput)
		if err != nil {
			return
		}
		if err := CheckJSON(got, MaxDepth); err != nil {
			t.Errorf("%x gives %s: %v", b, got, err)
		}
		if len(got) > abi.MaxInput {
			t.Errorf("%d bytes of JSON", len(got))
		}
		if err := cbor.Wellformed(b); err != nil {
			t.Errorf("%x is taken and not well formed: %v", b, err)
		}
	})
}
