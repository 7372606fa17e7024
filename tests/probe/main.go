// Command probe tries to leave the box that it is started in, and prints what came of each attempt.
//
// Its first argument is none: a worker gets none. What it needs to know is in the code.
package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"unsafe"
)

func main() {
	report("open a file", func() error { return discard(os.Open("/etc/passwd")) })
	report("list the root", func() error { return discard(os.ReadDir("/")) })
	report("read its own memory map", func() error { return discard(os.ReadFile("/proc/self/maps")) })
	report("write a file", func() error { return os.WriteFile("/tmp/driftless-probe", []byte("x"), 0o600) })
	report("make a directory", func() error { return os.Mkdir("/tmp/driftless-probe-dir", 0o700) })
	report("remove a file", func() error { return os.Remove("/etc/hostname") })
	report("rename a file", func() error { return os.Rename("/etc/hostname", "/etc/hostname2") })
	report("make a link", func() error { return os.Symlink("/etc/passwd", "/tmp/driftless-probe-link") })
	report("look at a file", func() error { return discard(os.Lstat("/etc/shadow")) })
	report("change directory", func() error { return os.Chdir("/tmp") })
	report("dial TCP", func() error { return discard(net.Dial("tcp", "127.0.0.1:1")) })
	report("dial UDP", func() error { return discard(net.Dial("udp", "127.0.0.1:53")) })
	report("dial a Unix socket", func() error { return discard(net.Dial("unix", "/run/x.sock")) })
	report("dial an abstract socket", func() error { return discard(net.Dial("unix", "@driftless-probe")) })
	report("open a device", func() error { return discard(os.Open("/dev/null")) })
	report("truncate a file", func() error { return os.Truncate("/etc/hostname", 0) })
	report("listen", func() error { return discard(net.Listen("tcp", "127.0.0.1:0")) })
	report("resolve a name", func() error { return discard(net.LookupHost("example.com")) })
	report("run a program", func() error { return exec.Command("/bin/sh", "-c", "true").Run() })
	report("become a program", func() error { return syscall.Exec("/bin/sh", []string{"sh"}, nil) })
	report("fork", func() error { return discard(syscall.ForkExec("/proc/self/exe", nil, &syscall.ProcAttr{})) })
	report("kill its parent", func() error { return syscall.Kill(os.Getppid(), 0) })
	report("signal a thread of its parent", func() error {
		_, _, errno := syscall.RawSyscall(syscall.SYS_TGKILL, uintptr(os.Getppid()), uintptr(os.Getppid()), 0)
		if errno != 0 {
			return errno
		}
		return nil
	})
	report("trace", func() error { return call(syscall.SYS_PTRACE) })
	report("mount", func() error { return syscall.Mount("none", "/mnt", "tmpfs", 0, "") })
	report("make a namespace", func() error { return syscall.Unshare(syscall.CLONE_NEWUSER) })
	report("load a BPF program", func() error { return call(321) })
	report("set up an io_uring", func() error { return call(425) })
	report("make a memory file", func() error { return call(319) })
	report("change its user", func() error { return syscall.Setuid(65534) })
	fmt.Printf("environment: %d variables\n", len(os.Environ()))
	fmt.Printf("arguments: %d\n", len(os.Args)-1)
	for name, resource := range map[string]int{"data": syscall.RLIMIT_DATA, "files": syscall.RLIMIT_FSIZE} {
		var limit syscall.Rlimit
		if err := syscall.Getrlimit(resource, &limit); err != nil || limit.Max > 256<<20 {
			fmt.Printf("limit of %s: none (%v)\n", name, err)
		}
	}
	report("raise a limit", func() error {
		most := syscall.Rlimit{Cur: 1 << 40, Max: 1 << 40}
		return syscall.Setrlimit(syscall.RLIMIT_DATA, &most)
	})
	report("limit its parent", func() error {
		most := syscall.Rlimit{Cur: 0, Max: 0}
		_, _, errno := syscall.RawSyscall6(syscall.SYS_PRLIMIT64, uintptr(os.Getppid()), syscall.RLIMIT_CORE, uintptr(unsafe.Pointer(&most)), 0, 0, 0)
		if errno != 0 {
			return errno
		}
		return nil
	})
	report("compute", func() error { runtime.GC(); return nil })
}

func report(what string, attempt func() error) {
	err := attempt()
	outcome := "done"
	switch text := fmt.Sprint(err); {
	case err == nil:
	case strings.HasSuffix(text, "operation not permitted"), strings.HasSuffix(text, "permission denied"):
		outcome = "refused"
	default:
		outcome = "failed: " + text
	}
	fmt.Printf("%s: %s\n", what, outcome)
}

func discard[T any](_ T, err error) error { return err }

func call(number uintptr) error {
	var zero [8]byte
	if _, _, errno := syscall.RawSyscall(number, uintptr(unsafe.Pointer(&zero)), 0, 0); errno != 0 {
		return errno
	}
	return nil
}
