package client

import (
	"context"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// Socket is a raw WebSocket to an actor. It does not come back when it breaks. It is safe for concurrent use.
//
// The host asks for signs of life, which are given while Read waits: so there is to be one that reads.
type Socket struct {
	ws  *websocket.Conn
	bye time.Duration

	reading sync.Mutex // held by the one that reads; guards end
	end     error      // of the first read that failed
	writing sync.Mutex // held by the one that writes
}

// Frame is a message of a raw WebSocket.
type Frame struct {
	Text bool // else it is bytes
	Data []byte
}

// Dial opens a raw WebSocket at a path, which may have a query: "/sub?x=1". A refusal of the host or the actor is the
// *CloseError of the first Read, if no HTTP answer says it. The context is for the opening only.
func (h *Handle) Dial(ctx context.Context, path string) (*Socket, error) {
	path, query := cutQuery(path)
	ws, err := h.dial(ctx, pathSocket, path, query, "bare") // as Rivet's client says
	if err != nil {
		return nil, err
	}
	return &Socket{ws: ws, bye: h.c.timing.bye}, nil
}

// Read returns the next message, or a *CloseError. A context that ends while it waits ends the socket.
func (s *Socket) Read(ctx context.Context) (Frame, error) {
	s.reading.Lock()
	defer s.reading.Unlock()
	if s.end != nil {
		return Frame{}, s.end
	}
	stop := context.AfterFunc(ctx, func() { s.ws.Close() })
	kind, data, err := s.ws.ReadMessage()
	switch stopped := stop(); {
	case err == nil:
		return Frame{kind == websocket.TextMessage, data}, nil
	case !stopped:
		s.end = ctx.Err()
	default:
		s.end = socketError(err)
	}
	return Frame{}, s.end
}

// Write sends a message. A context that ends before it has left ends the socket.
func (s *Socket) Write(ctx context.Context, f Frame) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	kind := websocket.BinaryMessage
	if f.Text {
		kind = websocket.TextMessage
	}
	stop := context.AfterFunc(ctx, func() { s.ws.Close() })
	err := s.ws.WriteMessage(kind, f.Data)
	if !stop() && err != nil {
		return ctx.Err()
	}
	if err != nil {
		return socketError(err)
	}
	return nil
}

// Close closes the socket with a code, such as 1000, and a reason of at most 123 bytes, and waits a moment for the
// other side to do so too. It is idempotent.
func (s *Socket) Close(code int, reason string) {
	end := time.Now().Add(s.bye)
	defer s.ws.Close()
	if s.ws.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(code, reason), end) != nil {
		return
	}
	_ = s.ws.SetReadDeadline(end)
	s.reading.Lock()
	defer s.reading.Unlock()
	for s.end == nil {
		if _, _, err := s.ws.NextReader(); err != nil {
			s.end = ErrClosed
		}
	}
}
