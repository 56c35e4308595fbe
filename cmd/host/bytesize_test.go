package main

import "testing"

func TestByteSize(t *testing.T) {
	for _, tt := range []struct {
		in   string
		want int64 // -1 is refused
		text string
	}{
		{"0", 0, "0"},
		{"1", 1, "1"},
		{"1024", 1024, "1KiB"},
		{"1536KiB", 1536 << 10, "1536KiB"},
		{"512MiB", 512 << 20, "512MiB"},
		{"3GiB", 3 << 30, "3GiB"},
		{"9223372036854775807", 1<<63 - 1, "9223372036854775807"},
		{"8589934592GiB", -1, ""}, // 2^63
		{"9223372036854775808", -1, ""},
		{"", -1, ""},
		{"GiB", -1, ""},
		{"-1", -1, ""},
		{"+1", -1, ""},
		{"1.5GiB", -1, ""},
		{"1GB", -1, ""},
		{"1 GiB", -1, ""},
		{"0x10", -1, ""},
	} {
		t.Run(tt.in, func(t *testing.T) {
			b := byteSize(7)
			err := b.Set(tt.in)
			if tt.want < 0 {
				if err == nil || b != 7 {
					t.Errorf("got %d, %v, want a refusal", b, err)
				}
				return
			}
			if err != nil || int64(b) != tt.want || b.String() != tt.text {
				t.Errorf("got %d (%s), %v, want %d (%s)", b, b.String(), err, tt.want, tt.text)
			}
		})
	}
}
