package wire

import "testing"

// A client's message of each kind, read again and again.
func BenchmarkParse(b *testing.B) {
	for encoding, in := range map[string]string{
		"bare": `04 00 | 00 | 07 | 03 "inc" | 02 81 03`,
		"cbor": `b9 00 01 64 "body" b9 00 02 63 "tag" 6d "ActionRequest" 63 "val" b9 00 03 62 "id" 1b 0000000000000007 64 "name" 63 "inc" 64 "args" 81 03`,
		"json": `"{" 22 "body" 22 ":{" 22 "tag" 22 ":" 22 "ActionRequest" 22 "," 22 "val" 22 ":{" 22 "id" 22 ":[" 22 "$BigInt" 22 "," 22 "7" 22 "]," 22 "name" 22 ":" 22 "inc" 22 "," 22 "args" 22 ":[3]}}}"`,
	} {
		b.Run(encoding, func(b *testing.B) {
			e, data := Of(encoding), unhex(b, in)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := e.Parse(data); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
