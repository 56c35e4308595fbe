//go:build wasip1

package guest

//lint:file-ignore U1000 the host calls these

//go:wasmexport actor_manifest
func actorManifest() int32 {
	writeManifest()
	return 0
}

//go:wasmexport actor_turn
func actorTurn() int32 {
	runTurn()
	return 0
}
