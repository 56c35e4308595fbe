package main

import (
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/vivarium-run/vivarium/guest-sdk/guestbuild"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// version returns the module's version, with the commit if the build knows it.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	v, commit, dirty := info.Main.Version, "", ""
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			commit = s.Value[:min(12, len(s.Value))]
		case "vcs.modified":
			if s.Value == "true" {
				dirty = "+changes"
			}
		}
	}
	if v == "" || v == "(devel)" {
		v = "devel"
	}
	if commit != "" {
		v += "-" + commit + dirty
	}
	return v
}

func versionCommand(ui *ui) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  noArgs,
		RunE: func(*cobra.Command, []string) error {
			ui.print("vivarium "+version()+" "+runtime.Version()+" "+runtime.GOOS+"/"+runtime.GOARCH,
				map[string]any{"version": version(), "go": runtime.Version(), "os": runtime.GOOS, "arch": runtime.GOARCH, "abi": abi.ABIVersion})
			return nil
		},
	}
}

// sdkCommand is `host sdk`: until a tag is published, the host hands out the SDK that it was built
// with.
func sdkCommand(ui *ui) *cobra.Command {
	return &cobra.Command{
		Use:   "sdk",
		Short: "Print the folder of the guest SDK, for `go mod edit -replace`",
		Long: "Writes the guest SDK that this host was built with to a cache folder and prints it.\n" +
			"`host dev` and `host deploy` use it by themselves; your editor and `go build` find it after\n\n" +
			"    go mod edit -require=github.com/vivarium-run/vivarium@v0.0.0 \\\n" +
			"      -replace=github.com/vivarium-run/vivarium=$(host sdk) \\\n" +
			"      -require=github.com/extism/go-pdk@v1.1.3",
		Args: noArgs,
		RunE: func(*cobra.Command, []string) error {
			dir, err := guestbuild.SupplySDK("")
			if err != nil {
				return err
			}
			ui.print(dir, map[string]any{"sdk": dir})
			return nil
		},
	}
}
