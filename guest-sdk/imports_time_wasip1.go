//go:build wasip1

package guest

//go:wasmimport vivarium schedule_set
func scheduleSet(spec, args string) int64

//go:wasmimport vivarium schedule_cancel
func scheduleCancel(id string) int64

//go:wasmimport vivarium schedule_get
func scheduleGet(id string) int64

//go:wasmimport vivarium schedule_list
func scheduleList() int64

//go:wasmimport vivarium schedule_runs
func scheduleRuns(id string) int64

//go:wasmimport vivarium task_fetch
func taskFetch(request, body, context string) int64

//go:wasmimport vivarium task_call
func taskCall(target, action, args, context string) int64

//go:wasmimport vivarium task_timer
func taskTimer(ms int64, context string) int64

//go:wasmimport vivarium task_cancel
func taskCancel(id string) int64

//go:wasmimport vivarium fetch
func hostFetch(request, body string) int64

func (*imports) ScheduleSet(spec, args []byte) ([]byte, error) {
	return must(fetch(scheduleSet(view(spec), view(args))))
}

func (*imports) ScheduleCancel(id string) (int64, error)     { return number(scheduleCancel(id)) }
func (*imports) ScheduleGet(id string) ([]byte, bool, error) { return fetch(scheduleGet(id)) }
func (*imports) ScheduleList() ([]byte, error)               { return must(fetch(scheduleList())) }
func (*imports) ScheduleRuns(id string) ([]byte, error)      { return must(fetch(scheduleRuns(id))) }
func (*imports) TaskCancel(id string) (int64, error)         { return number(taskCancel(id)) }
func (*imports) TaskTimer(ms int64, context []byte) ([]byte, error) {
	return must(fetch(taskTimer(ms, view(context))))
}

func (*imports) TaskFetch(request, body, context []byte) ([]byte, error) {
	return must(fetch(taskFetch(view(request), view(body), view(context))))
}

func (*imports) TaskCall(target []byte, action string, args, context []byte) ([]byte, error) {
	return must(fetch(taskCall(view(target), action, view(args), view(context))))
}

func (*imports) Fetch(request, body []byte) ([]byte, error) {
	return must(fetch(hostFetch(view(request), view(body))))
}
