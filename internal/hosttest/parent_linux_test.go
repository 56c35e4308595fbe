package hosttest

import (
	"fmt"
	"io"
	"log"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"
)

const roleVariable = "HOSTTEST_ROLE"

// playRole has this process be the parent of TestProcessDiesWithParent, or its child, if it was started as one.
func playRole() {
	switch os.Getenv(roleVariable) {
	case "parent":
		child := exec.Command(os.Args[0])
		child.Env = append(os.Environ(), roleVariable+"=child")
		child.ExtraFiles = []*os.File{os.NewFile(3, "held")}
		p := Start(role{log.Default()}, "", child, &Output{})
		fmt.Println(p.Cmd.Process.Pid)
		syscall.Pause()
	case "child":
		syscall.Pause()
	}
}

type role struct{ *log.Logger }

func (role) Helper() {}

// A process that is killed takes its children with it: both hold the end of a pipe, and nobody holds it then.
func TestProcessDiesWithParent(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	parent := exec.Command(os.Args[0])
	parent.Env, parent.ExtraFiles = append(os.Environ(), roleVariable+"=parent"), []*os.File{w}
	said, err := parent.StdoutPipe()
	if err == nil {
		err = parent.Start()
	}
	w.Close()
	if err != nil {
		t.Fatal(err)
	}
	var child int
	_, err = fmt.Fscanln(said, &child)
	parent.Process.Kill()
	parent.Wait()
	if err != nil {
		t.Fatalf("the parent starts no child: %v", err)
	}
	r.SetReadDeadline(time.Now().Add(time.Minute))
	if _, err := io.ReadAll(r); err != nil {
		t.Errorf("the child outlives its parent: %v", err)
		syscall.Kill(child, syscall.SIGKILL)
	}
}
