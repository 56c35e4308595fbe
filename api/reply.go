package api

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"unicode/utf8"
)

// Media types.
const (
	typeJSON  = "application/json"
	typeBytes = "application/octet-stream"
	typeWasm  = "application/wasm"
	typeSSE   = "text/event-stream"
)

// object is a JSON object of a reply.
type object = map[string]any

// writeJSON answers with v as JSON. It is not for hot paths.
func writeJSON(w http.ResponseWriter, status int, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("api: encode reply: %w", err)
	}
	return writeBytes(w, status, typeJSON, b)
}

// countedByItself is how long an answer may be whose length net/http still writes by itself, and cheaper: what it holds back
// until the handler is done.
const countedByItself = 2 << 10

// writeBytes answers with b. A failure to write is not reported: the client is gone, and net/http
// closes the connection.
func writeBytes(w http.ResponseWriter, status int, contentType string, b []byte) error {
	h := w.Header()
	h.Set("Content-Type", contentType)
	if len(b) > countedByItself {
		h.Set("Content-Length", strconv.Itoa(len(b)))
	}
	w.WriteHeader(status)
	_, _ = w.Write(b)
	return nil
}

// Encodings of bytes in a reply.
const (
	encodingUTF8   = "utf8"
	encodingBase64 = "base64"
	encodingJSON   = "json"
)

// asText returns b as text and how: as it is if it is UTF-8, else in base64.
func asText(b []byte) (text, encoding string) {
	if utf8.Valid(b) {
		return string(b), encodingUTF8
	}
	return base64.StdEncoding.EncodeToString(b), encodingBase64
}

// decodeBase64 is strict: one text for each value. The standard library skips line breaks.
func decodeBase64(enc *base64.Encoding, s string) ([]byte, error) {
	for i := range len(s) {
		if s[i] == '\n' || s[i] == '\r' {
			return nil, base64.CorruptInputError(i)
		}
	}
	return enc.Strict().DecodeString(s)
}
