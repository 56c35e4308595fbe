package actors

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"

	"github.com/vivarium-run/vivarium/actors/internal/egress"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/tenants"
)

// anyHost in a manifest asks for whatever the namespace grants.
const anyHost = "*"

// CheckEgress returns what is wrong with a list of hosts that a module is to be granted.
func CheckEgress(hosts []string) error {
	_, err := egress.NewPolicy(hosts)
	return err
}

// SecretHost returns the form in which a secret's host is compared, or what is wrong with it.
func SecretHost(host string) (string, error) { return egress.Host(host) }

// checkWish is CheckEgress for what a manifest asks for.
func checkWish(hosts []string) error {
	return CheckEgress(slices.DeleteFunc(slices.Clone(hosts), func(s string) bool { return s == anyHost }))
}

// policy says where a version of a module may go: where it asks to, and is granted, within what the operator lets the
// namespace reach. A plain module has no
// manifest and so asks for what is granted.
//
// A child goes no further than its parent lets it; one that runs what its parent uploaded lives on the grants of
// the parent's module.
func (h *Host) policy(ns tenants.ID, v *tenants.Version, r *record) (egress.Policy, error) {
	granted := v.Module
	if r.Pin != nil {
		granted = r.Pin.By
	}
	lists := [][]string{h.cfg.Registry.Grants(ns, granted).Egress}
	if bound := h.cfg.Registry.EgressBound(ns); bound != nil {
		lists = append(lists, *bound)
	}
	if r.Limits != nil {
		lists = append(lists, r.Limits.Egress)
	}
	if !v.Plain && !slices.Contains(v.Egress, anyHost) {
		lists = append(lists, v.Egress)
	}
	p, err := egress.NewPolicy(lists...)
	if err != nil {
		return p, abi.Wrap(abi.CodeEgressDenied, err) // of a list that an older host took
	}
	if h.cfg.Secrets != nil {
		p.Secrets = h.secrets(ns, v.Module, granted)
	}
	return p, nil
}

// secrets looks up those that a module may name while it lives on the grants of another. Both must be let: what an
// actor uploads chooses its module's name itself, and may choose one that a secret is waiting for.
func (h *Host) secrets(ns tenants.ID, module, granted string) func(name, host string) (string, error) {
	return func(name, host string) (string, error) {
		value, err := h.cfg.Secrets(ns, granted, name, host)
		if err == nil && module != granted {
			return h.cfg.Secrets(ns, module, name, host)
		}
		return value, err
	}
}

// maxFetchDoc bounds a request without its body, in bytes as JSON.
const maxFetchDoc = 128 << 10

// fetchRequest reads what a guest wants to fetch, and counts it.
func (t *turn) fetchRequest(doc, body []byte) (f abi.FetchRequest, p egress.Policy, err error) {
	if t.startup {
		return f, p, errStartup
	}
	if t.fetches++; t.fetches > abi.MaxFetches {
		return f, p, abi.Errorf(abi.CodeTooManyFetches, "the turn fetches more than %d times", abi.MaxFetches)
	}
	if len(doc) > maxFetchDoc {
		return f, p, abi.Errorf(abi.CodeInvalidArgument, "the request without its body is longer than %d bytes", maxFetchDoc)
	}
	if err := decodeStrict(doc, &f); err != nil {
		return f, p, abi.Errorf(abi.CodeInvalidArgument, "the request is not one: %s", clip(err.Error()))
	}
	if len(body) > abi.MaxFetchBody {
		return f, p, abi.Errorf(abi.CodeBodyTooLarge, "the body is larger than %d bytes", abi.MaxFetchBody)
	}
	if p, err = t.a.h.policy(t.a.id.Namespace, t.a.version, &t.a.record); err == nil {
		if err = p.Check(f.URL); err != nil {
			t.a.h.egress.Refused(err)
		}
	}
	return f, p, err
}

// Fetch implements hostfuncs.Tasks.
func (t *turn) Fetch(request, body []byte) (envelope []byte, err error) {
	f, p, err := t.fetchRequest(request, body)
	if err != nil {
		return nil, err
	}
	if f.Stream {
		return nil, abi.Errorf(abi.CodeInvalidArgument, "only a task can stream")
	}
	body = bytes.Clone(body)
	err = t.block(func(ctx context.Context) { envelope = t.a.h.fetch(ctx, t.a.id, p, f, body) })
	return envelope, err
}

// exchange sends a request and returns the head of the answer. The bytes of both bodies count for the actor.
func (h *Host) exchange(ctx context.Context, id tenants.ActorID, p egress.Policy, f abi.FetchRequest, body []byte) (*egress.Response, error) {
	of := h.cfg.Registry.Allowance(id.Namespace)
	if err := of.MayFetch(); err != nil {
		return nil, err
	}
	m := &metered{of: of, tally: of.Tally(id)}
	m.count(int64(len(body)))
	r, err := h.egress.Do(ctx, string(id.Namespace), p, f, body)
	if err != nil {
		m.tally.Done()
		return nil, err
	}
	m.ReadCloser, r.Body = r.Body, m
	return r, nil
}

// fetch returns the whole answer to a request as an envelope, or that of what went wrong.
func (h *Host) fetch(ctx context.Context, id tenants.ActorID, p egress.Policy, f abi.FetchRequest, body []byte) []byte {
	r, err := h.exchange(ctx, id, p, f, body)
	if err != nil {
		return fetchFailure(err)
	}
	b, err := r.ReadAll(0)
	if err != nil {
		return fetchFailure(err)
	}
	return fetched(abi.StatusOK, &r.ResponseHead, b)
}

// fetched is the envelope of an answer, or of a part of one: only the first has a head.
func fetched(s abi.Status, head *abi.ResponseHead, body []byte) []byte {
	r := abi.Reply{Status: s, Result: body}
	if head != nil {
		r.Head, _ = json.Marshal(head) // strings always encode
	}
	return abi.AppendReply(nil, &r)
}

// fetchFailure is the envelope of a failure.
func fetchFailure(err error) []byte {
	var known *abi.Error
	switch {
	case errors.As(err, &known):
	case errors.Is(err, context.DeadlineExceeded):
		err = abi.Wrap(abi.CodeActionTimedOut, err)
	default:
		err = abi.Wrap(abi.CodeUnavailable, err) // the host stops, or the task was cancelled
	}
	envelope, _ := envelopeOf(Reply{}, err) // an error always encodes
	return envelope
}

// FetchKeys fetches a document for a namespace itself, by the way of its guests: over https, from the one host that
// the URL names, and only if that is public. It returns at most max bytes of an answer 200; its errors are safe to
// tell the namespace. Guests' requests that wait do not hold it up.
func (h *Host) FetchKeys(ctx context.Context, ns tenants.ID, address string, max int) ([]byte, error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "https" {
		return nil, errors.New("the URL is not https")
	}
	p, err := egress.NewPolicy([]string{u.Host})
	if err != nil {
		return nil, errors.New("the URL's host is malformed")
	}
	header := map[string][]string{"accept": {"application/json"}}
	r, err := h.egress.Do(ctx, "keys of "+string(ns), p, abi.FetchRequest{URL: address, Header: header}, nil)
	if err == nil {
		defer r.Body.Close()
		if r.Status != http.StatusOK {
			return nil, fmt.Errorf("the server answered %d", r.Status)
		}
		var doc []byte
		if doc, err = r.ReadAll(int64(max)); err == nil {
			return doc, nil
		}
	}
	var known *abi.Error
	if errors.As(err, &known) {
		return nil, errors.New(known.PublicMessage())
	}
	return nil, errors.New("the server did not answer in time")
}
