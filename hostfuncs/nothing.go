package hostfuncs

import "github.com/vivarium-run/vivarium/hostfuncs/abi"

// Nothing refuses everything of the parts of Actor beyond its own data, with Err: for guest code that
// runs without an actor.
type Nothing struct{ Err error }

// Connections implements Actor.
func (n Nothing) Connections() ([]byte, error) { return nil, n.Err }

// Connection implements Actor.
func (n Nothing) Connection(string) ([]byte, bool, error) { return nil, false, n.Err }

// SetConnState implements Actor.
func (n Nothing) SetConnState(string, []byte) error { return n.Err }

// ConnSend implements Actor.
func (n Nothing) ConnSend(_, _ string, _ []byte) error { return n.Err }

// Disconnect implements Actor.
func (n Nothing) Disconnect(_, _ string) error { return n.Err }

// SocketSend implements Actor.
func (n Nothing) SocketSend(string, []byte, bool) error { return n.Err }

// SocketClose implements Actor.
func (n Nothing) SocketClose(string, int, string) error { return n.Err }

// SetSchedule implements Actor.
func (n Nothing) SetSchedule(_, _ []byte) (string, error) { return "", n.Err }

// CancelSchedule implements Actor.
func (n Nothing) CancelSchedule(string) (bool, error) { return false, n.Err }

// Schedule implements Actor.
func (n Nothing) Schedule(string) ([]byte, bool, error) { return nil, false, n.Err }

// Schedules implements Actor.
func (n Nothing) Schedules() ([]byte, error) { return nil, n.Err }

// ScheduleRuns implements Actor.
func (n Nothing) ScheduleRuns(string) ([]byte, error) { return nil, n.Err }

// Call implements Actor.
func (n Nothing) Call([]byte, string, []byte) ([]byte, error) { return nil, n.Err }

// Send implements Actor.
func (n Nothing) Send([]byte, string, []byte) error { return n.Err }

// QueueSend implements Actor.
func (n Nothing) QueueSend([]byte, string, []byte) error { return n.Err }

// CreateActor implements Actor.
func (n Nothing) CreateActor(_, _ []byte) ([]byte, error) { return nil, n.Err }

// FindActor implements Actor.
func (n Nothing) FindActor([]byte) ([]byte, bool, error) { return nil, false, n.Err }

// DestroyActor implements Actor.
func (n Nothing) DestroyActor([]byte) (bool, error) { return false, n.Err }

// ChildUsage implements Actor.
func (n Nothing) ChildUsage(string) ([]byte, bool, error) { return nil, false, n.Err }

// UploadModule implements Actor.
func (n Nothing) UploadModule(string, []byte, []byte) ([]byte, error) { return nil, n.Err }

// StartFetch implements Actor.
func (n Nothing) StartFetch(_, _, _ []byte) (string, error) { return "", n.Err }

// StartCall implements Actor.
func (n Nothing) StartCall([]byte, string, []byte, []byte) (string, error) { return "", n.Err }

// StartTimer implements Actor.
func (n Nothing) StartTimer(int64, []byte) (string, error) { return "", n.Err }

// CancelTask implements Actor.
func (n Nothing) CancelTask(string) (bool, error) { return false, n.Err }

// Fetch implements Actor.
func (n Nothing) Fetch(_, _ []byte) ([]byte, error) { return nil, n.Err }

// Reply implements Actor.
func (n Nothing) Reply(uint64, []byte) error { return n.Err }

// ReplyHead implements Actor.
func (n Nothing) ReplyHead(uint64, []byte) error { return n.Err }

// ReplyPart implements Actor.
func (n Nothing) ReplyPart(uint64, []byte) error { return n.Err }

// RequestOpen implements Actor.
func (n Nothing) RequestOpen(uint64) bool { return false }

// SleepAfter implements Actor.
func (n Nothing) SleepAfter() error { return n.Err }

// Destroy implements Actor.
func (n Nothing) Destroy() error { return n.Err }

// GasLeft implements Actor.
func (n Nothing) GasLeft() int64 { return 0 }

// DeadLetters implements Actor.
func (n Nothing) DeadLetters(string) ([]byte, error) { return nil, n.Err }

// Redrive implements Actor.
func (n Nothing) Redrive(string) (bool, error) { return false, n.Err }

// KVPutBatch implements Actor.
func (n Nothing) KVPutBatch([]abi.Item) error { return n.Err }

// KVDeleteBatch implements Actor.
func (n Nothing) KVDeleteBatch([]abi.Item) error { return n.Err }
