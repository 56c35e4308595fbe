package compile_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/vivarium-run/vivarium/sandbox/internal/compile"
)

// testWork is what a worker does in a test mode: after its preparations, in place of compiling. A mode
// is a word and arguments.
func testWork(mode string, j compile.Job, wasm []byte) compile.Result {
	word, args, _ := strings.Cut(mode, " ")
	ok := compile.Result{}
	switch word {
	case "hang":
		hang()
	case "hang-if-long":
		if len(wasm) > 100 {
			hang()
		}
		return compile.CompileInWorker(j, wasm)
	case "wait":
		os.WriteFile("pid", fmt.Append(nil, os.Getpid()), 0o600)
		for os.Remove("go") != nil {
			time.Sleep(time.Millisecond)
		}
		must(os.Remove("pid"))
		return compile.CompileInWorker(j, wasm)
	case "deaf":
		signal.Ignore(syscall.SIGTERM)
		hang()
	case "work":
		d, err := time.ParseDuration(args)
		must(err)
		for compile.CPUTime() < d {
			spins++
		}
		hang()
	case "spin":
		for {
			spins++
		}
	case "grow":
		grow()
	case "panic":
		panic("boom \x1b[31m\r\nand more")
	case "exit":
		os.Exit(3)
	case "silent":
		os.Exit(0)
	case "shout":
		os.Stdout.Write(make([]byte, 1<<20))
	case "twice":
		os.Stdout.WriteString("{}")
	case "nonsense":
		return compile.Result{Kind: "fine", Detail: "\x1b[31m"}
	case "refuse":
		return compile.Result{Kind: compile.KindRefused, Detail: "bad\n\x1b[31m" + strings.Repeat("x", 5000)}
	case "chatter":
		for range 1000 {
			os.Stderr.Write(make([]byte, 1<<14))
		}
		return compile.CompileInWorker(j, wasm)
	case "nothing":
	case "garbage", "two", "empty", "two-dirs", "rename", "directory":
		if r := compile.CompileInWorker(j, wasm); r.Kind != "" {
			return r
		}
		spoil(word)
	case "jail":
		return compile.Result{Kind: compile.KindRefused, Detail: tryJail(strings.Fields(args))}
	default:
		return compile.Result{Kind: compile.KindCrashed, Detail: "unknown mode " + word}
	}
	return ok
}

// hang waits to be killed; the file says that it does and who.
func hang() {
	os.WriteFile("pid", fmt.Append(nil, os.Getpid()), 0o600)
	time.Sleep(time.Hour)
}

var spins uint64

var kept [][]byte

func grow() {
	for {
		b := make([]byte, 1<<20)
		for i := range b {
			b[i] = 1
		}
		kept = append(kept, b)
	}
}

// spoil changes what compiling left.
func spoil(how string) {
	entries, err := filepath.Glob("wazero-*/*")
	if err != nil || len(entries) != 1 {
		panic(fmt.Sprint(entries, err))
	}
	entry := entries[0]
	switch dir, key := filepath.Split(entry); how {
	case "garbage":
		must(os.WriteFile(entry, []byte(strings.Repeat("garbage", 100)), 0o600))
	case "two":
		must(os.WriteFile(dir+"x", nil, 0o600))
	case "empty":
		must(os.WriteFile(entry, nil, 0o600))
	case "two-dirs":
		must(os.Mkdir("other", 0o700))
	case "rename":
		must(os.Rename(entry, dir+strings.Repeat("a", len(key))))
	case "directory":
		must(os.Remove(entry))
		must(os.Mkdir(entry, 0o700))
	}
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// errorName is short enough to fit many of them into an answer.
func errorName(err error) string {
	var no syscall.Errno
	switch {
	case err == nil:
		return "DONE"
	case errors.Is(err, fs.ErrPermission):
		return "denied"
	case errors.As(err, &no):
		return strings.ReplaceAll(no.Error(), " ", "-")
	}
	return strings.ReplaceAll(err.Error(), " ", "-")
}
