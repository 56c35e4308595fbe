package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
)

// smallDisk, in the environment of a process, is where it mounts a disk in memory before it does anything else.
const smallDisk = "VIVARIUM_TEST_SMALL_DISK"

const (
	smallDiskBytes   = 224 << 20
	smallDiskMinFree = 64 << 20
)

func init() {
	dir := os.Getenv(smallDisk)
	if dir == "" {
		return
	}
	os.Unsetenv(smallDisk) // or a compiler that this process starts would mount another
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+strconv.Itoa(smallDiskBytes)+",mode=0700"); err != nil {
		fmt.Fprintln(os.Stderr, "mount:", err)
		os.Exit(1)
	}
	if os.Getenv("VIVARIUM_TEST_HOST") == "" {
		os.Exit(0) // it was only a try
	}
}

// onSmallDisk gives a process a disk of its own at dir.
func onSmallDisk(cmd *exec.Cmd, dir string) {
	cmd.Env = append(os.Environ(), smallDisk+"="+dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
}

// realDisk runs a host whose data lies on a small disk of its own, in memory. It returns nil where a process may
// not mount one.
func realDisk(t *testing.T, args ...string) *fillable {
	dir := t.TempDir()
	try := exec.Command(os.Args[0], "-test.run=^$")
	onSmallDisk(try, dir)
	if out, err := try.CombinedOutput(); err != nil {
		t.Logf("no disk of its own: %v %s", err, out)
		return nil
	}
	p := startAs(t, func(cmd *exec.Cmd) { onSmallDisk(cmd, dir) }, append(args, "--data", filepath.Join(dir, "data"), "--min-free", strconv.Itoa(smallDiskMinFree))...)
	ballast := filepath.Join("/proc", strconv.Itoa(p.Cmd.Process.Pid), "root", dir, "ballast")
	return &fillable{
		how: "a real disk of 224 MiB",
		p:   p,
		fill: func(left int64) {
			if err := fillUp(ballast, left); err != nil {
				t.Fatal(err)
			}
		},
		clear: func() {
			if err := os.Remove(ballast); err != nil {
				t.Fatal(err)
			}
		},
	}
}

// fillUp writes to a file until so many bytes are left on its disk.
func fillUp(file string, left int64) error {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	zeros := make([]byte, 64<<10)
	for {
		var fs syscall.Statfs_t
		if err := syscall.Fstatfs(int(f.Fd()), &fs); err != nil {
			return err
		}
		free := int64(fs.Bavail) * fs.Bsize
		if free <= left {
			return nil
		}
		if _, err := f.Write(zeros[:min(int64(len(zeros)), free-left)]); errors.Is(err, syscall.ENOSPC) {
			return nil
		} else if err != nil {
			return err
		}
	}
}
