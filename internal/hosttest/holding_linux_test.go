package hosttest

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
)

func TestHolds(t *testing.T) {
	file, err := os.Create(filepath.Join(t.TempDir(), "held"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	self, err := os.FindProcess(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	v, err := (&Process{Cmd: &exec.Cmd{Process: self}}).Holds()
	if err != nil {
		t.Fatal(err)
	}
	if v.Anon <= 0 || v.File <= 0 || v.RSS() < v.Anon+v.File || v.Threads < 2 || !slices.Contains(v.Open, file.Name()) {
		t.Errorf("this process holds %+v", v)
	}
	p := Start(t, "", exec.Command(os.Args[0], "-test.run=^$"), &Output{})
	<-p.Done
	if v, err := p.Holds(); err == nil {
		t.Errorf("a process that has ended holds %+v", v)
	}
}
