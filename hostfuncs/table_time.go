package hostfuncs

// timeOperations are schedules and tasks: what happens in a later turn.
var timeOperations = []Operation{
	{
		Name: "schedule_set", Price: Price{10000, 1}, Params: []Param{bytesParam("schedule"), bytesParam("args")}, Result: BytesResult,
		Doc: "makes or replaces a schedule, JSON, that calls an action of the actor, and returns its id",
		do:  func(c *Call, a *args) (answer, error) { return textual(c.actor.SetSchedule(a.b[0], a.b[1])) },
	},
	{
		Name: "schedule_cancel", Price: Price{5000, 1}, Params: []Param{bytesParam("id")}, Result: NumberResult,
		Doc: "removes a schedule by id or name, and returns 1 if there was one",
		do:  func(c *Call, a *args) (answer, error) { return yesNo(c.actor.CancelSchedule(string(a.b[0]))) },
	},
	{
		Name: "schedule_get", Price: Price{10000, 1}, Params: []Param{bytesParam("id")}, Result: BytesResult,
		Doc: "describes a schedule by id or name, as JSON, or none",
		do:  func(c *Call, a *args) (answer, error) { return optional(c.actor.Schedule(string(a.b[0]))) },
	},
	{
		Name: "schedule_list", Price: Price{20000, 1}, Result: BytesResult,
		Doc: "lists the actor's schedules, as JSON",
		do:  func(c *Call, _ *args) (answer, error) { return required(c.actor.Schedules()) },
	},
	{
		Name: "schedule_runs", Price: Price{20000, 1}, Params: []Param{bytesParam("id")}, Result: BytesResult,
		Doc: "lists the last runs of a schedule, newest first, as JSON",
		do:  func(c *Call, a *args) (answer, error) { return required(c.actor.ScheduleRuns(string(a.b[0]))) },
	},
	{
		Name: "task_fetch", Price: Price{20000, 1}, Params: []Param{bytesParam("request"), bytesParam("body"), bytesParam("context")}, Result: BytesResult,
		Doc: "begins an HTTP request, JSON, whose answer is a later turn with context, and returns the task's id",
		do:  func(c *Call, a *args) (answer, error) { return textual(c.actor.StartFetch(a.b[0], a.b[1], a.b[2])) },
	},
	{
		Name: "task_call", Price: Price{20000, 1}, Params: []Param{bytesParam("target"), bytesParam("action"), bytesParam("args"), bytesParam("context")}, Result: BytesResult,
		Doc: "begins a call of another actor whose answer is a later turn with context, and returns the task's id",
		do: func(c *Call, a *args) (answer, error) {
			if err := checkName("action", a.b[1]); err != nil {
				return answer{}, err
			}
			return textual(c.actor.StartCall(a.b[0], string(a.b[1]), a.b[2], a.b[3]))
		},
	},
	{
		Name: "task_timer", Price: Price{10000, 1}, Params: []Param{numberParam("ms"), bytesParam("context")}, Result: BytesResult,
		Doc: "begins a wait that ends in a later turn with context, and returns the task's id",
		do:  func(c *Call, a *args) (answer, error) { return textual(c.actor.StartTimer(a.n[0], a.b[0])) },
	},
	{
		Name: "task_cancel", Price: Price{5000, 1}, Params: []Param{bytesParam("id")}, Result: NumberResult,
		Doc: "ends a task whose outcome is not wanted any more, and returns 1 if there was one",
		do:  func(c *Call, a *args) (answer, error) { return yesNo(c.actor.CancelTask(string(a.b[0]))) },
	},
	{
		Name: "fetch", Price: Price{50000, 1}, Params: []Param{bytesParam("request"), bytesParam("body")}, Result: BytesResult,
		Doc: "makes an HTTP request, JSON, and waits for the answer, an envelope; it is not undone with the turn",
		do:  func(c *Call, a *args) (answer, error) { return required(c.actor.Fetch(a.b[0], a.b[1])) },
	},
}
