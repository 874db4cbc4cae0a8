/*
 * Mail servers for t/clients/mail.t, of npm's smtp-server, and mailparser to
 * read what arrives.
 *
 *	node t/clients/smtp.mjs KEY CERT
 *
 * prints "ports {…}" and then a line of JSON for each mail that was taken,
 * recipient that was refused, and request to the webhook:
 *
 *	starttls	STARTTLS, and a user "mailer"
 *	smtps		TLS from the first byte, the same user
 *	plain		neither
 *	silent		takes connections and says nothing
 *	webhook		HTTP: 503 at first, then 200
 *
 * What becomes of a mail its recipient says: never@ is unknown (550), later@ is
 * told so once (451), spam@ is refused when the mail has been read (554), full@
 * the same once (452), slow@ is never answered.
 */
import { createServer } from "node:http";
import { createServer as createTcp } from "node:net";
import { readFileSync } from "node:fs";
import { SMTPServer } from "smtp-server";
import { simpleParser } from "mailparser";

const [key, cert] = process.argv.slice(2).map((file) => readFileSync(file));
const seen = new Map();

const say = (what) => console.log(JSON.stringify(what));
const refuse = (code, text) => Object.assign(new Error(text), { responseCode: code });
const isFirst = (what) => {
  seen.set(what, (seen.get(what) ?? 0) + 1);
  return seen.get(what) === 1;
};

const server = (name, options) => {
  const it = new SMTPServer({
    key,
    cert,
    logger: false,
    ...options,
    onAuth(auth, session, done) {
      const good = auth.username === "mailer" && auth.password === "p@ss:w/rd %";
      done(good ? null : refuse(535, "5.7.8 who are you"), good ? { user: auth.username } : undefined);
    },
    onRcptTo({ address }, session, done) {
      const [who] = address.split("@");
      if (who === "slow") return;
      let problem = null;
      if (who === "never") problem = refuse(550, "5.1.1 no such user here");
      if (who === "later" && isFirst(address)) problem = refuse(451, "4.7.1 greylisted, come again");
      if (problem) say({ refused: address, code: problem.responseCode });
      done(problem);
    },
    async onData(stream, session, done) {
      const chunks = [];
      for await (const chunk of stream) chunks.push(chunk);
      const raw = Buffer.concat(chunks);
      const to = session.envelope.rcptTo.map((r) => r.address);
      const [who] = to[0].split("@");
      if (who === "spam") return done(refuse(554, "5.7.1 we do not like it"));
      if (who === "full" && isFirst(to[0])) return done(refuse(452, "4.2.2 the mailbox is full"));
      const mail = await simpleParser(raw);
      say({
        server: name,
        secure: session.secure,
        user: session.user ?? null,
        from: session.envelope.mailFrom.address,
        to,
        raw: raw.toString("latin1"),
        headers: mail.headerLines.map(({ line }) => line),
        subject: mail.subject,
        sender: mail.from.value[0],
        replyTo: mail.replyTo?.value[0].address ?? null,
        recipient: mail.to.text,
        date: mail.date.toISOString(),
        messageId: mail.messageId,
        text: mail.text,
        html: mail.html,
      });
      done();
    },
  });
  it.on("error", () => {}); // a client that does not like our certificate
  return it;
};

const listen = (it) => new Promise((done) => it.listen(0, "127.0.0.1", function () { done((it.server ?? it).address().port); }));

const webhook = createServer((request, response) => {
  const chunks = [];
  request.on("data", (chunk) => chunks.push(chunk));
  request.on("end", () => {
    const status = isFirst("webhook") ? 503 : 200;
    say({ webhook: request.headers, body: Buffer.concat(chunks).toString("latin1"), status });
    response.writeHead(status);
    response.end("thank you");
  });
});

const ports = {
  starttls: await listen(server("starttls", {})),
  smtps: await listen(server("smtps", { secure: true })),
  plain: await listen(server("plain", { disabledCommands: ["STARTTLS", "AUTH"] })),
  silent: await listen(createTcp(() => {})),
  webhook: await listen(webhook),
};
console.log("ports " + JSON.stringify(ports));
