package api

import (
	"encoding/base64"
	"encoding/json"
	"net/http"

	"github.com/vivarium-run/vivarium/api/wire"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// The inspector's routes show committed data only: they read the store, never a turn in progress.

// getState answers with {codec, encoding, state}. State is a JSON value if the codec is JSON, else
// base64, and null with the encoding "none" if the actor has none.
func (s *Server) getState(w http.ResponseWriter, q *request) error {
	id, err := q.actor()
	if err != nil {
		return err
	}
	codec, state, ok, err := s.host.State(q.Context(), id)
	if err != nil {
		return err
	}
	encoding, value := "none", json.RawMessage("null")
	switch {
	case !ok:
	case codec == abi.JSON && wire.CheckJSON(state, wire.MaxDepth) == nil:
		encoding, value = encodingJSON, state
	default: // a guest may have stored anything
		encoding, value = encodingBase64, quoteBase64(state)
	}
	return writeJSON(w, http.StatusOK, struct {
		Codec    abi.Codec       `json:"codec"`
		Encoding string          `json:"encoding"`
		State    json.RawMessage `json:"state"`
	}{codec, encoding, value})
}

func quoteBase64(b []byte) json.RawMessage {
	out := make([]byte, 0, base64.StdEncoding.EncodedLen(len(b))+2)
	return append(base64.StdEncoding.AppendEncode(append(out, '"'), b), '"')
}

// kvItem is a KV item; each encoding is "utf8" or "base64".
type kvItem struct {
	Key           string `json:"key"`
	KeyEncoding   string `json:"key_encoding"`
	Value         string `json:"value"`
	ValueEncoding string `json:"value_encoding"`
}

// listKV answers with a page of KV items, in the order of their keys. Prefix may be any bytes,
// percent-encoded; the cursor is opaque.
func (s *Server) listKV(w http.ResponseWriter, q *request) error {
	p, err := q.page()
	if err != nil {
		return err
	}
	prefix, err := q.one("prefix")
	if err != nil {
		return err
	}
	items, more, err := s.host.KVList(q.Context(), p.actor, []byte(prefix), p.after, p.limit)
	if err != nil {
		return err
	}
	list := make([]kvItem, len(items)) // never null
	for i, it := range items {
		list[i].Key, list[i].KeyEncoding = asText(it.Key)
		list[i].Value, list[i].ValueEncoding = asText(it.Value)
	}
	return writeJSON(w, http.StatusOK, object{"items": list, "pagination": pageBehind(items, more, func(it abi.Item) []byte { return it.Key })})
}

// getKV answers with one value in Rivet's shape. The key is the path's last segment, which may be
// any bytes, percent-encoded.
func (s *Server) getKV(w http.ResponseWriter, q *request) error {
	id, err := q.actor()
	if err != nil {
		return err
	}
	key := q.params["key"]
	if len(key) > abi.MaxKVKey {
		return abi.Errorf(abi.CodeInvalidRequest, "the KV key is longer than %d bytes", abi.MaxKVKey)
	}
	value, err := s.host.KVGet(q.Context(), id, []byte(key))
	if abi.CodeOf(err) == abi.CodeNotFound {
		return abi.Errorf(abi.CodeNotFound, "the actor has no such KV key")
	}
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, object{"value": base64.StdEncoding.EncodeToString(value)})
}
