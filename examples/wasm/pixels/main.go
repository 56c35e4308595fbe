// Pixels is a picture that everybody in it paints, with a binary protocol of its own over raw WebSockets at
// /websocket/v1:
//
//	client          0 payload              echo, for measuring the way
//	                1 x y colour           paint a pixel, a byte each
//	                2                      ask for the picture
//	actor           0 payload              the same payload
//	                1 x y colour           somebody painted, to everybody
//	                2 width height pixels  the picture, also at the beginning
//
// Text messages are echoed as they are. Anything else closes the socket with code 4000.
//
// Use raw sockets for a protocol that exists already, or when JSON is too large. Actions and events give
// types, subscriptions and errors for free. Each message is a turn, so everybody sees the same order.
package main

import (
	"fmt"

	guest "github.com/vivarium-run/vivarium/guest-sdk"
)

// State is the picture, a byte for each pixel, line by line.
type State struct {
	Pixels []byte `json:"pixels"`
}

// The picture's size.
const width, height = 16, 16

// Operations of the protocol.
const (
	opEcho = iota
	opPaint
	opPicture
)

// codeProtocol closes a socket that does not speak the protocol.
const codeProtocol = 4000

type ctx = guest.Ctx[State]

var _ = guest.Actor("pixels", guest.Def[State]{
	Create: func(*ctx) (State, error) { return State{make([]byte, width*height)}, nil },
	Socket: guest.Socket[State]{Open: open, Message: message},
	Options: guest.Options{
		MaxMessageSize: 4 << 10,
	},
})

// open lets in who asks for a version of the protocol that there is.
func open(c *ctx, conn *guest.Conn) error {
	if path := c.HTTP().Path(); path != "/websocket/v1" {
		return guest.UserError("no_such_protocol", "connect to /websocket/v1, not "+path)
	}
	return sendPicture(c, conn)
}

func message(c *ctx, conn *guest.Conn, f guest.Frame) error {
	switch {
	case f.Text:
		return conn.SendText(string(f.Data))
	case len(f.Data) == 0:
		return conn.Close(codeProtocol, "an empty message")
	case f.Data[0] == opEcho:
		return conn.SendBytes(f.Data)
	case f.Data[0] == opPaint && len(f.Data) == 4:
		return paint(c, conn, f.Data)
	case f.Data[0] == opPicture && len(f.Data) == 1:
		return sendPicture(c, conn)
	}
	return conn.Close(codeProtocol, fmt.Sprintf("operation %d of %d bytes", f.Data[0], len(f.Data)))
}

// paint sets a pixel and passes the message on to everybody, whoever sent it included.
func paint(c *ctx, conn *guest.Conn, m []byte) error {
	x, y := int(m[1]), int(m[2])
	if x >= width || y >= height {
		return conn.Close(codeProtocol, "outside of the picture")
	}
	c.State.Pixels[y*width+x] = m[3]
	everybody, err := c.Conns()
	if err != nil {
		return err
	}
	for _, other := range everybody {
		if err := other.SendBytes(m); err != nil {
			return err
		}
	}
	return nil
}

func sendPicture(c *ctx, conn *guest.Conn) error {
	return conn.SendBytes(append([]byte{opPicture, width, height}, c.State.Pixels...))
}

func main() {}
