//go:build wasip1

package guest

//go:wasmimport vivarium conn_list
func connList() int64

//go:wasmimport vivarium conn_get
func connGet(id string) int64

//go:wasmimport vivarium conn_state_set
func connStateSet(id, state string) int64

//go:wasmimport vivarium conn_send
func connSend(id, event, payload string) int64

//go:wasmimport vivarium conn_disconnect
func connDisconnect(id, reason string) int64

//go:wasmimport vivarium socket_send
func socketSend(id, data string, text int64) int64

//go:wasmimport vivarium socket_close
func socketClose(id string, code int64, reason string) int64

func (*imports) ConnList() ([]byte, error)               { return must(fetch(connList())) }
func (*imports) ConnGet(id string) ([]byte, bool, error) { return fetch(connGet(id)) }
func (*imports) ConnStateSet(id string, b []byte) error  { return failure(connStateSet(id, view(b))) }
func (*imports) ConnSend(id, event string, p []byte) error {
	return failure(connSend(id, event, view(p)))
}
func (*imports) ConnDisconnect(id, reason string) error { return failure(connDisconnect(id, reason)) }

func (*imports) SocketSend(id string, data []byte, text int64) error {
	return failure(socketSend(id, view(data), text))
}

func (*imports) SocketClose(id string, code int64, reason string) error {
	return failure(socketClose(id, code, reason))
}
