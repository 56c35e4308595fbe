package egress

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"syscall"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// errTimeout is the cause of a context that ended because of the request's own timeout.
var errTimeout = errors.New("the request's timeout has passed")

// errSilence is the cause of a context that ended because a body did not go on.
var errSilence = errors.New("the server sends nothing")

// errWithheld stands in the log for an error that may quote a secret.
var errWithheld = errors.New("details are withheld, since the request had secrets")

func failed(message string) *abi.Error { return abi.Errorf(abi.CodeFetchFailed, "%s", message) }

// failure turns an error of the transport into what the guest may know: a kind, never an address or
// what a server wrote. If the caller's context has ended, its cause is returned as it is, since only
// the caller knows what that means.
func failure(ctx context.Context, err error, m *mask) error {
	if cause := context.Cause(ctx); cause != nil {
		switch {
		case errors.Is(cause, errTimeout):
			return failed("the server did not answer in the time that the request gives it")
		case errors.Is(cause, errSilence):
			return failed("the server did not go on with its answer in time")
		}
		return cause
	}
	var known *abi.Error
	if errors.As(err, &known) {
		return known
	}
	e := failed(kind(err))
	e.Cause = err
	// net/http quotes what a server wrote, in parts in which no mask finds the secret that they are of.
	if network := net.Error(nil); m != nil && !errors.As(err, &network) {
		e.Cause = errWithheld
	}
	return e
}

func kind(err error) string {
	var dns *net.DNSError
	var certificate *tls.CertificateVerificationError
	var alert tls.AlertError
	var record tls.RecordHeaderError
	var timeout net.Error
	switch {
	case errors.As(err, &dns):
		return "the name could not be resolved"
	case errors.As(err, &certificate):
		return "the server's certificate is not valid"
	case errors.As(err, &alert), errors.As(err, &record):
		return "the TLS handshake failed"
	case errors.As(err, &timeout) && timeout.Timeout():
		return "the server did not answer in time"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "the server refuses the connection"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return "the server closed the connection"
	case strings.Contains(err.Error(), "server response headers exceeded"):
		return "the header of the answer is too large"
	case strings.Contains(err.Error(), "malformed"):
		return "the answer is not valid HTTP"
	}
	return "the server could not be reached"
}
