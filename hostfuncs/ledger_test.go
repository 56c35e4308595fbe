package hostfuncs_test

import "github.com/vivarium-run/vivarium/hostfuncs/abi"

func (l *ledger) Connections() ([]byte, error)                        { l.do(); return l.result, nil }
func (l *ledger) Connection(string) ([]byte, bool, error)             { return l.get() }
func (l *ledger) SetConnState(string, []byte) error                   { l.do(); return nil }
func (l *ledger) ConnSend(_, _ string, _ []byte) error                { l.do(); return nil }
func (l *ledger) Disconnect(_, _ string) error                        { l.do(); return nil }
func (l *ledger) SocketSend(string, []byte, bool) error               { l.do(); return nil }
func (l *ledger) SocketClose(string, int, string) error               { l.do(); return nil }
func (l *ledger) SetSchedule(_, _ []byte) (string, error)             { l.do(); return string(l.result), nil }
func (l *ledger) CancelSchedule(string) (bool, error)                 { l.do(); return true, nil }
func (l *ledger) Schedule(string) ([]byte, bool, error)               { return l.get() }
func (l *ledger) Schedules() ([]byte, error)                          { l.do(); return l.result, nil }
func (l *ledger) ScheduleRuns(string) ([]byte, error)                 { l.do(); return l.result, nil }
func (l *ledger) Call([]byte, string, []byte) ([]byte, error)         { l.do(); return l.result, nil }
func (l *ledger) Send([]byte, string, []byte) error                   { l.do(); return nil }
func (l *ledger) QueueSend([]byte, string, []byte) error              { l.do(); return nil }
func (l *ledger) CreateActor(_, _ []byte) ([]byte, error)             { l.do(); return l.result, nil }
func (l *ledger) FindActor([]byte) ([]byte, bool, error)              { return l.get() }
func (l *ledger) DestroyActor([]byte) (bool, error)                   { l.do(); return true, nil }
func (l *ledger) ChildUsage(string) ([]byte, bool, error)             { return l.get() }
func (l *ledger) UploadModule(string, []byte, []byte) ([]byte, error) { l.do(); return l.result, nil }
func (l *ledger) StartFetch(_, _, _ []byte) (string, error)           { l.do(); return string(l.result), nil }
func (l *ledger) StartCall([]byte, string, []byte, []byte) (string, error) {
	l.do()
	return string(l.result), nil
}
func (l *ledger) StartTimer(int64, []byte) (string, error) { l.do(); return string(l.result), nil }
func (l *ledger) CancelTask(string) (bool, error)          { l.do(); return true, nil }
func (l *ledger) Fetch(_, _ []byte) ([]byte, error)        { l.do(); return l.result, nil }
func (l *ledger) Reply(uint64, []byte) error               { l.do(); return nil }
func (l *ledger) ReplyHead(uint64, []byte) error           { l.do(); return nil }
func (l *ledger) ReplyPart(uint64, []byte) error           { l.do(); return nil }
func (l *ledger) RequestOpen(uint64) bool                  { l.do(); return true }
func (l *ledger) SleepAfter() error                        { l.do(); return nil }
func (l *ledger) Destroy() error                           { l.do(); return nil }
func (l *ledger) GasLeft() int64                           { l.do(); return 7 }
func (l *ledger) DeadLetters(string) ([]byte, error)       { l.do(); return l.result, nil }
func (l *ledger) Redrive(string) (bool, error)             { l.do(); return true, nil }
func (l *ledger) KVPutBatch([]abi.Item) error              { l.do(); return nil }
func (l *ledger) KVDeleteBatch([]abi.Item) error           { l.do(); return nil }
