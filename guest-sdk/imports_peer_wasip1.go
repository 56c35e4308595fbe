//go:build wasip1

package guest

//go:wasmimport vivarium call
func call(target, action, args string) int64

//go:wasmimport vivarium send
func send(target, action, args string) int64

//go:wasmimport vivarium queue_send
func queueSend(target, queue, body string) int64

//go:wasmimport vivarium actor_create
func actorCreate(spec, input string) int64

//go:wasmimport vivarium actor_find
func actorFind(target string) int64

//go:wasmimport vivarium actor_destroy
func actorDestroy(target string) int64

//go:wasmimport vivarium child_usage
func childUsage(id string) int64

//go:wasmimport vivarium module_upload
func moduleUpload(module, wasm, options string) int64

func (*imports) Call(target []byte, action string, args []byte) ([]byte, error) {
	return must(fetch(call(view(target), action, view(args))))
}

func (*imports) Send(target []byte, action string, args []byte) error {
	return failure(send(view(target), action, view(args)))
}

func (*imports) QueueSend(target []byte, queue string, body []byte) error {
	return failure(queueSend(view(target), queue, view(body)))
}

func (*imports) ActorCreate(spec, input []byte) ([]byte, error) {
	return must(fetch(actorCreate(view(spec), view(input))))
}

func (*imports) ActorFind(target []byte) ([]byte, bool, error) { return fetch(actorFind(view(target))) }
func (*imports) ActorDestroy(target []byte) (int64, error)     { return number(actorDestroy(view(target))) }
func (*imports) ChildUsage(id string) ([]byte, bool, error)    { return fetch(childUsage(id)) }

func (*imports) ModuleUpload(module string, wasm, options []byte) ([]byte, error) {
	return must(fetch(moduleUpload(module, view(wasm), view(options))))
}
