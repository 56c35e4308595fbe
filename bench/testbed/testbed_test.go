package testbed

import (
	"regexp"
	"runtime"
	"strings"
	"testing"
)

func TestModel(t *testing.T) {
	for info, want := range map[string]string{
		"processor\t: 0\nmodel\t\t: 1\nmodel name\t: A CPU: 2 GHz\n\nmodel name\t: Another\n": "A CPU: 2 GHz",
		"Processor\t: ARM\n": "",
		"model name":         "",
		"":                   "",
	} {
		if got := model(info); got != want {
			t.Errorf("%q: %q, want %q", info, got, want)
		}
	}
	if got := Processors(); !regexp.MustCompile(`^[1-9][0-9]* processors( \(.+\))?$`).MatchString(got) {
		t.Errorf("the processors are %q", got)
	}
}

func TestLoad(t *testing.T) {
	want := `^\d+\.\d\d \d+\.\d\d \d+\.\d\d$`
	if runtime.GOOS != "linux" {
		want = `^  $`
	}
	if got := Load(); !regexp.MustCompile(want).MatchString(strings.Join(got[:], " ")) {
		t.Errorf("the load is %q", got)
	}
	if got := Kernel(); (got == "") == (runtime.GOOS == "linux") {
		t.Errorf("the kernel is %q", got)
	}
}
