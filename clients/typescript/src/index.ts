// What there is beside the nouns of the API, which 'ashlar/app', 'ashlar/platform' and so on have.
export { type Asking, type Auth, Client, type ClientOptions, createClient, newKey } from './client.js'
export { AshlarError, type ErrorCode } from './errors.js'
export { Pages } from './lists.js'
export { Session, type SignedIn } from './session.js'
export { eventsOf, type ServerEvent, textsOf } from './sse.js'
export { browserStorage, type CookieOptions, cookieStorage, memoryStorage, type SessionStorage, type Tokens } from './storage.js'
export type { Answer, Args, Bound, CallOptions, Noun, Operation, Row } from './types.js'
