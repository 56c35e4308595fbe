package api

import (
	"errors"
	"io"
	"net"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/gorilla/websocket"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/tenants"
)

// socket is one WebSocket, whatever is spoken on it. One goroutine reads, for as long as the socket lives; the one
// that writes is there only while there is something to write, so an idle socket costs one.
//
// Nobody ever waits for a slow reader: what it does not take is queued up to a bound, and past that the queue is
// dropped and the socket closed.
type socket struct {
	ws    *websocket.Conn
	line  *lineConn
	stats *traffic
	limit int64 // bytes of a message; the reader's

	mu       sync.Mutex    // guards the fields below
	interval time.Duration // between pings
	pong     time.Duration // after a ping, within which the peer must say something
	queue    net.Buffers   // whole frames
	bytes    int           // in queue
	memory   *pool[tenants.ID]
	ns       tenants.ID
	owed     int64     // of memory, by ns: for what waits behind a write
	writing  bool      // the writing goroutine runs
	since    time.Time // when its write began, zero between writes
	still    sync.Cond // writing has become false
	ping     *time.Timer
	closed   bool    // nothing is queued any more
	ours     *ending // how we closed it; nil if we did not
	theirs   *ending // how the peer did
	pending  int     // requests of the client that are not answered yet
	leaving  bool    // close it once pending is zero
}

// ending is how a socket was closed.
type ending struct {
	code   int
	reason string
}

// Close codes of RFC 6455, and one of ours.
const (
	closeGoingAway   = 1001
	closeUnsupported = 1003
	closeAbnormal    = 1006 // never sent: there was no closing handshake
	closeNotUTF8     = 1007
	closeTooLong     = 1009
	closeError       = 1011 // with a reason "group.code", which Rivet's clients read
	closeTooSlow     = 1013
	closeTokenEnded  = 4401
)

// Bounds on one socket.
const (
	maxQueued      = 256     // frames
	maxQueuedBytes = 1 << 20 // one frame may be longer
	closeWait      = 5 * time.Second
	lingerWait     = time.Second
	lingerBytes    = 1 << 20
	stuckAfter     = 20 * time.Millisecond // that a write takes
)

// newSocket returns the socket of an upgraded connection.
func newSocket(ws *websocket.Conn, w *lineConn, t *traffic, interval, pong time.Duration) *socket {
	k := &socket{ws: ws, line: w, stats: t, interval: interval, pong: pong, limit: abi.MaxSocketMessage}
	k.still.L = &k.mu
	ws.SetPongHandler(func(string) error { k.heard(); return nil })
	ws.SetPingHandler(func(data string) error {
		k.heard()
		k.send(frame(opPong, []byte(data)))
		return nil
	})
	ws.SetCloseHandler(func(code int, reason string) error {
		k.answerClose(code, reason)
		return nil
	})
	k.mu.Lock()
	defer k.mu.Unlock()
	k.ping = time.AfterFunc(interval, k.beat)
	return k
}

// beat asks the peer for a sign of life, for as long as the socket is open.
func (k *socket) beat() {
	k.send(frame(opPing, nil))
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.closed {
		k.ping.Reset(k.interval)
	}
}

// keepAlive changes how often the peer is asked, and how long it has to answer; zero leaves what is.
func (k *socket) keepAlive(interval, pong time.Duration) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if pong > 0 {
		k.pong = pong
	}
	if interval > 0 && !k.closed {
		k.interval = interval
		k.ping.Reset(interval)
	}
}

// send queues a frame. It never blocks. Frames after the end are dropped.
func (k *socket) send(f []byte) {
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case k.closed:
	case len(k.queue) >= maxQueued, len(k.queue) > 0 && k.bytes+len(f) > maxQueuedBytes, !k.holdLocked(len(f)):
		k.queue, k.bytes = nil, 0
		k.stats.slow.Add(1)
		k.freeLocked()
		k.closeLocked(ending{closeTooSlow, "ws.too_slow"})
	default:
		k.pushLocked(f)
	}
}

// owner says whose the socket is: what it has not read counts for that namespace.
func (k *socket) owner(memory *pool[tenants.ID], ns tenants.ID) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.memory, k.ns = memory, ns
}

// holdLocked counts a frame that has to wait. The first is on its way at once, as a fast reader's are.
func (k *socket) holdLocked(n int) bool {
	if k.memory == nil || !k.writing {
		return true
	}
	if !k.memory.take(k.ns, int64(n)) {
		return false
	}
	k.owed += int64(n)
	return true
}

// freeLocked gives back what is held for frames that are not queued any more.
func (k *socket) freeLocked() { k.pay(&k.owed) }

func (k *socket) pay(owed *int64) {
	if *owed > 0 {
		k.memory.give(k.ns, *owed)
		*owed = 0
	}
}

// busy reports whether half of what may be queued is, and the writer is only about to take it. When a write takes
// long it is the reader that is slow, and nobody is to wait for that.
func (k *socket) busy() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	deep := len(k.queue) > maxQueued/2 || k.bytes > maxQueuedBytes/2
	return !k.closed && deep && (k.since.IsZero() || time.Since(k.since) < stuckAfter)
}

// close ends the socket after what is queued. Only the first end counts.
func (k *socket) close(code int, reason string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.closeLocked(ending{code, reason})
}

func (k *socket) closeLocked(e ending) {
	if k.closed {
		return
	}
	k.ours, k.closed = &e, true
	k.pushLocked(closeFrame(e.code, e.reason))
	_ = k.line.SetReadDeadline(time.Now().Add(closeWait)) // for the peer's answer
}

// answerClose takes the peer's close, and answers it unless it is an answer itself.
func (k *socket) answerClose(code int, reason string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.theirs = &ending{code, reason}
	if !k.closed {
		k.closed = true
		k.pushLocked(closeFrame(code, ""))
	}
}

func (k *socket) pushLocked(f []byte) {
	k.queue = append(k.queue, f)
	k.bytes += len(f)
	if !k.writing {
		k.writing = true
		go k.write() // ends when the queue is empty or a write fails; finish waits
	}
}

func (k *socket) write() {
	k.mu.Lock()
	defer k.mu.Unlock()
	for len(k.queue) > 0 {
		batch, owed := k.queue, k.owed
		k.stats.framesOut.Add(uint64(len(batch)))
		k.stats.bytesOut.Add(uint64(k.bytes))
		k.queue, k.bytes, k.owed, k.since = nil, 0, 0, time.Now()
		k.mu.Unlock()
		err := k.line.writeFrames(batch)
		k.mu.Lock()
		k.pay(&owed)
		k.since = time.Time{}
		if err != nil {
			k.closed, k.queue = true, nil
			k.freeLocked()
			k.line.Close() // and the reader ends
		}
	}
	k.writing = false
	k.still.Broadcast()
}

// heard gives the peer more time. After an end it gets none.
func (k *socket) heard() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.closed {
		_ = k.line.SetReadDeadline(time.Now().Add(k.interval + k.pong))
	}
}

var (
	errTooLong = errors.New("api: a message is too long")
	errNotUTF8 = errors.New("api: a text message is not UTF-8")
)

// read returns the next message, which is the caller's. After errTooLong and errNotUTF8 the caller is to close the
// socket and go on reading; any other error is its end.
func (k *socket) read() (data []byte, text bool, err error) {
	k.heard()
	kind, r, err := k.ws.NextReader()
	if errors.Is(err, websocket.ErrReadLimit) {
		return nil, false, errTooLong // the length itself overflows
	}
	if err != nil {
		return nil, false, err
	}
	data, err = io.ReadAll(io.LimitReader(r, k.limit+1))
	text = kind == websocket.TextMessage
	k.stats.framesIn.Add(1)
	k.stats.bytesIn.Add(uint64(len(data)))
	switch {
	case err != nil:
		return nil, false, err
	case int64(len(data)) > k.limit:
		return nil, false, errTooLong
	case text && !utf8.Valid(data): // the library does not look
		return nil, false, errNotUTF8
	}
	return data, text, nil
}

// receive calls f with each message until the socket ends. tooLong is the close code for a message past the limit.
func (k *socket) receive(tooLong int, f func(data []byte, text bool)) {
	for errs := 0; errs < 2; { // a broken reader gives the same error for ever
		data, text, err := k.read()
		switch {
		case errors.Is(err, errTooLong):
			k.close(tooLong, "message.incoming_too_long")
			errs++
		case errors.Is(err, errNotUTF8):
			k.close(closeNotUTF8, "ws.invalid_utf8")
			errs++
		case err != nil:
			return
		case !k.isClosed():
			f(data, text)
		}
	}
	k.discard()
}

// discard reads on until the peer's close, its end, or the time for it is over.
func (k *socket) discard() {
	for {
		if _, _, err := k.ws.NextReader(); err != nil {
			return
		}
	}
}

func (k *socket) isClosed() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.closed
}

// finish frees the socket when its reader has ended, and returns how it was closed; clean is by a handshake.
func (k *socket) finish() (e ending, clean bool) {
	k.mu.Lock()
	k.ping.Stop()
	k.closed = true
	for k.writing {
		k.still.Wait()
	}
	ours, theirs := k.ours, k.theirs
	k.mu.Unlock()
	if theirs == nil {
		k.linger()
	}
	k.line.Close()
	switch {
	case ours != nil:
		return *ours, theirs != nil
	case theirs != nil:
		return *theirs, true
	}
	return ending{code: closeAbnormal}, false
}

// linger lets the peer read our close before the connection goes: closed with unread bytes in it, the kernel would
// reset it.
func (k *socket) linger() {
	if tcp, ok := k.line.Conn.(*net.TCPConn); ok && tcp.CloseWrite() == nil {
		_ = tcp.SetReadDeadline(time.Now().Add(lingerWait))
		_, _ = io.CopyN(io.Discard, tcp, lingerBytes)
	}
}

// kill ends the socket without a word.
func (k *socket) kill() { k.line.Close() }

// begin and done count a request of the client.
func (k *socket) begin() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.pending++
}

func (k *socket) done() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.pending--
	k.leaveLocked()
}

// goAway ends the socket because the host stops, when what the client has asked is answered.
func (k *socket) goAway() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.leaving = true
	k.leaveLocked()
}

func (k *socket) leaveLocked() {
	if k.leaving && k.pending == 0 {
		k.closeLocked(ending{closeGoingAway, "ws.going_away"})
	}
}
