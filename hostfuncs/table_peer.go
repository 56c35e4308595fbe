package hostfuncs

// peerOperations reach other actors of the namespace.
var peerOperations = []Operation{
	{
		Name: "call", Price: Price{20000, 1}, Params: []Param{bytesParam("target"), bytesParam("action"), bytesParam("args")}, Result: BytesResult,
		Doc: "calls an action of another actor at once and waits for the answer, an envelope; it is not undone with the turn",
		do: func(c *Call, a *args) (answer, error) {
			if err := checkName("action", a.b[1]); err != nil {
				return answer{}, err
			}
			return required(c.actor.Call(a.b[0], string(a.b[1]), a.b[2]))
		},
	},
	{
		Name: "send", Price: Price{10000, 1}, Params: []Param{bytesParam("target"), bytesParam("action"), bytesParam("args")},
		Doc: "calls an action of another actor once the turn is durable, exactly once in effect, in order, without an answer",
		do: func(c *Call, a *args) (answer, error) {
			if err := checkName("action", a.b[1]); err != nil {
				return answer{}, err
			}
			return answer{}, c.actor.Send(a.b[0], string(a.b[1]), a.b[2])
		},
	},
	{
		Name: "queue_send", Price: Price{10000, 1}, Params: []Param{bytesParam("target"), bytesParam("queue"), bytesParam("body")},
		Doc: "puts a message into a queue of another actor, or of this one if target is empty, once the turn is durable",
		do: func(c *Call, a *args) (answer, error) {
			if err := checkName("queue", a.b[1]); err != nil {
				return answer{}, err
			}
			return answer{}, c.actor.QueueSend(a.b[0], string(a.b[1]), a.b[2])
		},
	},
	{
		Name: "actor_create", Price: Price{50000, 1}, Params: []Param{bytesParam("spec"), bytesParam("input")}, Result: BytesResult,
		Doc: "makes an actor at once, from JSON, and describes it; it is not undone with the turn",
		do:  func(c *Call, a *args) (answer, error) { return required(c.actor.CreateActor(a.b[0], a.b[1])) },
	},
	{
		Name: "actor_find", Price: Price{10000, 1}, Params: []Param{bytesParam("target")}, Result: BytesResult,
		Doc: "describes another actor, as JSON, or none",
		do:  func(c *Call, a *args) (answer, error) { return optional(c.actor.FindActor(a.b[0])) },
	},
	{
		Name: "actor_destroy", Price: Price{20000, 1}, Params: []Param{bytesParam("target")}, Result: NumberResult,
		Doc: "destroys another actor at once, and returns 1 if there was one; it is not undone with the turn",
		do:  func(c *Call, a *args) (answer, error) { return yesNo(c.actor.DestroyActor(a.b[0])) },
	},
	{
		Name: "child_usage", Price: Price{10000, 1}, Params: []Param{bytesParam("id")}, Result: BytesResult,
		Doc: "says what a child of the actor has used, as JSON, or none",
		do:  func(c *Call, a *args) (answer, error) { return optional(c.actor.ChildUsage(string(a.b[0]))) },
	},
	{
		Name: "module_upload", Price: Price{100000, 8}, Params: []Param{bytesParam("module"), bytesParam("wasm"), bytesParam("options")}, Result: BytesResult,
		Doc: "uploads a module for the actor's children at once and returns the report, JSON; it is not undone with the turn",
		do: func(c *Call, a *args) (answer, error) {
			if err := checkName("module", a.b[0]); err != nil {
				return answer{}, err
			}
			return required(c.actor.UploadModule(string(a.b[0]), a.b[1], a.b[2]))
		},
	},
}

// requestOperations answer requests that outlived their turns.
var requestOperations = []Operation{
	{
		Name: "reply", Price: Price{3000, 1}, Params: []Param{numberParam("request"), bytesParam("envelope")},
		Doc: "answers an open request with a reply's envelope once the turn is durable",
		do:  func(c *Call, a *args) (answer, error) { return answer{}, c.actor.Reply(uint64(a.n[0]), a.b[0]) },
	},
	{
		Name: "reply_head", Price: Price{3000, 1}, Params: []Param{numberParam("request"), bytesParam("head")},
		Doc: "begins the answer to an open raw HTTP request, JSON, once the turn is durable",
		do:  func(c *Call, a *args) (answer, error) { return answer{}, c.actor.ReplyHead(uint64(a.n[0]), a.b[0]) },
	},
	{
		Name: "reply_part", Price: Price{3000, 1}, Params: []Param{numberParam("request"), bytesParam("part")},
		Doc: "sends a part of the answer to an open raw HTTP request once the turn is durable",
		do:  func(c *Call, a *args) (answer, error) { return answer{}, c.actor.ReplyPart(uint64(a.n[0]), a.b[0]) },
	},
	{
		Name: "request_open", Price: Price{500, 0}, Params: []Param{numberParam("request")}, Result: NumberResult,
		Doc: "returns 1 if somebody still waits for the answer to a request",
		do:  func(c *Call, a *args) (answer, error) { return yesNo(c.actor.RequestOpen(uint64(a.n[0])), nil) },
	},
}

// lifeOperations are about the actor itself.
var lifeOperations = []Operation{
	{
		Name: "sleep", Price: Price{1000, 0},
		Doc: "lets the actor sleep as soon as nothing waits for it",
		do:  func(c *Call, _ *args) (answer, error) { return answer{}, c.actor.SleepAfter() },
	},
	{
		Name: "destroy", Price: Price{1000, 0},
		Doc: "ends the actor and all it has, if the turn succeeds",
		do:  func(c *Call, _ *args) (answer, error) { return answer{}, c.actor.Destroy() },
	},
	{
		Name: "gas_left", Price: Price{200, 0}, Result: NumberResult,
		Doc: "returns the gas that the turn may still use",
		do:  func(c *Call, _ *args) (answer, error) { return answer{number: c.actor.GasLeft()}, nil },
	},
	{
		Name: "dead_list", Price: Price{20000, 1}, Params: []Param{bytesParam("after")}, Result: BytesResult,
		Doc: "lists messages, sends and task results that were given up, oldest first behind an id, as JSON",
		do:  func(c *Call, a *args) (answer, error) { return required(c.actor.DeadLetters(string(a.b[0]))) },
	},
	{
		Name: "dead_retry", Price: Price{10000, 1}, Params: []Param{bytesParam("id")}, Result: NumberResult,
		Doc: "tries what was given up again, and returns 1 if there is such a thing",
		do:  func(c *Call, a *args) (answer, error) { return yesNo(c.actor.Redrive(string(a.b[0]))) },
	},
}
