//go:build wasip1

package guest

//go:wasmimport vivarium reply
func hostReply(request int64, envelope string) int64

//go:wasmimport vivarium reply_head
func replyHead(request int64, head string) int64

//go:wasmimport vivarium reply_part
func replyPart(request int64, part string) int64

//go:wasmimport vivarium request_open
func requestOpen(request int64) int64

//go:wasmimport vivarium sleep
func hostSleep() int64

//go:wasmimport vivarium destroy
func hostDestroy() int64

//go:wasmimport vivarium gas_left
func gasLeft() int64

//go:wasmimport vivarium dead_list
func deadList(after string) int64

//go:wasmimport vivarium dead_retry
func deadRetry(id string) int64

func (*imports) Reply(request int64, b []byte) error      { return failure(hostReply(request, view(b))) }
func (*imports) ReplyHead(request int64, b []byte) error  { return failure(replyHead(request, view(b))) }
func (*imports) ReplyPart(request int64, b []byte) error  { return failure(replyPart(request, view(b))) }
func (*imports) RequestOpen(request int64) (int64, error) { return number(requestOpen(request)) }

func (*imports) Sleep() error                          { return failure(hostSleep()) }
func (*imports) Destroy() error                        { return failure(hostDestroy()) }
func (*imports) GasLeft() (int64, error)               { return number(gasLeft()) }
func (*imports) DeadList(after string) ([]byte, error) { return must(fetch(deadList(after))) }
func (*imports) DeadRetry(id string) (int64, error)    { return number(deadRetry(id)) }
