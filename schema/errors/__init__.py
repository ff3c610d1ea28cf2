"""Every way the gateway says no. `runtime/invoke.py` turns one into a status and an envelope.

    GatewayError                       500
    ├── InvalidRequest                 400  the caller's body, path or query
    │   ├── UnsupportedParameter       400  understood, but the target can't honour it
    │   │   └── ThreadUnsupported      400  the target keeps no conversation under an id
    │   ├── FileNotFetched             400  a picture or document at an address of the caller's
    │   ├── ContextLengthExceeded      400
    │   ├── AlreadyExists              400  LiteLLM's status for a taken id of a team or budget
    │   │   └── AlreadyMember          400
    │   ├── UnboundedCost              400  its cost has no known bound, and a budget needs one
    │   ├── GuardrailRefused           400  a guardrail refuses what is asked or answered
    │   ├── NoDeploymentFits           400  no deployment is for what the request asks: tags, region
    │   ├── ModelTooLarge              400  for the memory of a local host
    │   ├── TooComplex                 400  the body holds too many things
    │   ├── BodyTooLarge               413
    │   └── UnsupportedCoding          415
    ├── NotLocal                       403  it may go to local deployments alone
    ├── GuardrailNotLocal              403  it may go to local places alone, and a guardrail is none
    ├── NotAuthenticated               401
    │   ├── UnknownKey                 401
    │   ├── ExpiredKey                 401
    │   ├── BlockedKey                 401
    │   └── SignInFailed               401  at a provider, or by a password
    ├── NotAllowed                     403
    │   ├── CustomerBlocked            403
    │   └── ModelNotAllowed            403
    ├── NotFound                       404
    │   └── ModelNotFound              404
    │       └── ModelInError           404  the config of all its deployments is wrong
    ├── MethodNotAllowed               405
    ├── Conflict                       409
    │   └── PreconditionFailed         412  the caller has another version
    ├── BudgetExceeded                 422  or what the config says
    ├── RateLimited                    429  this gateway's own limits
    │   ├── TooManyTokens              429  larger than the caller's whole token limit
    │   └── DeploymentAtLimit          429  a limit of a deployment or of its provider, and not of the caller
    ├── ClientLeft                     499  nobody is there to be told: for logs and spend rows
    ├── Overloaded                     503  this gateway can't take the call now
    │   ├── ShuttingDown               503
    │   ├── DatabaseUnavailable        503
    │   ├── GuardrailUnavailable       503  a guardrail gave no usable answer
    │   └── ProviderUnavailable        503  the provider that people sign in at
    ├── LocalHostFailed                502  a local host did not do what it was asked for
    └── UpstreamError                  502
        ├── UpstreamUnreachable        500  no connection, so nothing was sent
        │   ├── UpstreamNotInTime      408  no connection within the deadline
        │   └── UpstreamBusy           503  all connections to the provider are in use
        ├── UpstreamTimeout            408
        ├── UpstreamMalformed          502  garbage, an empty 200, too large
        ├── UpstreamCut                502  the answer broke off
        └── ProviderError              the provider's own status

Clients of OpenAI and LiteLLM look at `type` and `code`. `code` is a word where OpenAI has a word for the
error (`openai_code`), and the status as text otherwise. `type` is LiteLLM's. `reason` is our own word
(`word`): it never changes, and `docs/guide.md` has the table of all of them.

`base.py` has the root, and `forms.py` how an error is written. The other files have the errors by what they
are about: `requests.py` (what a request says), `callers.py` (who calls), `rows.py` (rows that people manage),
`models.py` (the way to a model), `limits.py` (budgets and limits), `overload.py` (the gateway itself) and
`upstream.py` (providers and local hosts).
"""
