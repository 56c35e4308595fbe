package tenants_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/kv/badgerkv"
	"github.com/vivarium-run/vivarium/tenants"
)

// An upload becomes a version, and the live one, which the next request resolves to.
func ExampleRegistry() {
	if err := uploadTwice(); err != nil {
		fmt.Println(err)
	}
	// Output:
	// version 1, new: true
	// version 1, new: false
	// room is served by chat version 1
	// lobby: actor/no_version
}

func uploadTwice() error {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "vivarium")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	store, err := badgerkv.Open(badgerkv.Config{Dir: filepath.Join(dir, "kv")})
	if err != nil {
		return err
	}
	defer store.Close()
	r, err := tenants.OpenRegistry(ctx, store, filepath.Join(dir, "modules"))
	if err != nil {
		return err
	}
	defer r.Close()
	for range 2 {
		st, err := r.Stage(strings.NewReader("the module"), 16<<20)
		if err != nil {
			return err
		}
		// Here the host would compile st.ReadAll, and st.Discard if that failed.
		v, created, err := r.Publish(ctx, st, tenants.Version{
			Namespace: tenants.Default,
			Module:    "chat",
			Codec:     abi.JSON,
			Actors:    map[string]abi.ActorManifest{"room": {}},
		}, true)
		if err != nil {
			return err
		}
		fmt.Printf("version %d, new: %v\n", v.Number, created)
	}
	live, err := r.Resolve(tenants.Default, "room")
	if err != nil {
		return err
	}
	fmt.Printf("room is served by %s version %d\n", live.Module, live.Number)
	_, err = r.Resolve(tenants.Default, "lobby")
	fmt.Println("lobby:", abi.CodeOf(err))
	return nil
}

func ExampleKey() {
	k, err := tenants.NewKey("acme/eu", "", "lobby")
	fmt.Println(k, err)
	k, err = tenants.ParseKey(`acme\/eu/\0/lobby`)
	fmt.Printf("%q %v\n", k.Components(), err)
	_, err = tenants.ParseKey("acme//lobby")
	fmt.Println(abi.CodeOf(err))
	// Output:
	// acme\/eu/\0/lobby <nil>
	// ["acme/eu" "" "lobby"] <nil>
	// actor/invalid_key
}
