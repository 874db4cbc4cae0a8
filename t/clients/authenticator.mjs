// An authenticator app, as npm's otpauth has it.
//
//     node authenticator.mjs OTPAUTH_URI
//
// Reads the URI that a QR code holds, and prints as JSON what it makes of it:
// issuer, label, and the codes of the last step, of this one and of the next.
import * as OTPAuth from "otpauth";

const totp = OTPAuth.URI.parse(process.argv[2]);
const codes = [-1, 0, 1].map((step) => totp.generate({ timestamp: Date.now() + step * totp.period * 1000 }));

console.log(JSON.stringify({ issuer: totp.issuer, label: totp.label, digits: totp.digits, period: totp.period, codes }));
