/** An answer of the API that is an error, or no answer at all. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    message: string,
    readonly requestId = '',
    readonly reason = '',
  ) {
    super(message);
  }
}

interface Envelope {
  error?: { message?: string; reason?: string; code?: string | null; type?: string } | string;
}

/** The error that an answer tells, in the gateway's envelope or in none. */
export function errorOf(response: Response, body: unknown): ApiError {
  const told = typeof body === 'object' && body !== null ? (body as Envelope).error : undefined;
  const message = typeof told === 'string' ? told : told?.message;
  const reason = typeof told === 'object' ? (told.reason ?? told.code ?? told.type ?? '') : '';
  const requestId = response.headers.get('x-litellm-call-id') ?? '';
  return new ApiError(response.status, message || `The gateway answered ${response.status}.`, requestId, reason);
}

interface Told {
  title: string;
  meaning: string;
}

/** What an error is called, and what it means for the reader. */
export function explain(error: unknown): Told {
  if (!(error instanceof ApiError)) {
    return { title: 'The gateway did not answer', meaning: 'Check that it runs and that you are online, then try again.' };
  }
  if (error.status === 401) return { title: 'You are signed out', meaning: 'Your session has ended. Sign in again to go on.' };
  if (error.status === 403) {
    return { title: 'You may not see this', meaning: 'Your role does not allow it, or does not allow it any more. An admin can change that.' };
  }
  if (error.status === 404) return { title: 'There is no such thing', meaning: 'It was deleted, or the address has a mistake.' };
  if (error.status === 429) return { title: 'Too many requests', meaning: 'Wait a moment, then try again.' };
  if (error.status >= 500) return { title: 'The gateway could not do it', meaning: 'Its log has more under the request id below.' };
  return { title: 'The gateway refused', meaning: 'What was asked can not be done as it stands.' };
}
