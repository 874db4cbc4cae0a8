// Compare answers with what the reference says about them.
//
//     node validate_answers.mjs OPENAPI.json ANSWERS …
//
// ANSWERS is a file of one JSON object a line: {method, path, status, type, body}, where
// path is the document's pattern and body the text of the answer.  Prints a
// line for each answer that the document does not describe, with the file's name
// in front.
import { readFileSync } from "node:fs";
import Ajv2020 from "ajv/dist/2020.js";
import formats from "ajv-formats";

const doc = JSON.parse(readFileSync(process.argv[2], "utf8"));
const ajv = new Ajv2020({ strict: false, allErrors: true });
formats(ajv);
ajv.addSchema(doc, "doc");

// A JSON pointer (RFC 6901) as a URI fragment.
const fragment = (...steps) => "doc#" + steps.map((s) => "/" + encodeURIComponent(s.replace(/~/g, "~0").replace(/\//g, "~1"))).join("");

function judge(answer) {
	const operation = doc.paths[answer.path]?.[answer.method.toLowerCase()];
	if (!operation)
		return "no such operation";
	let steps = ["paths", answer.path, answer.method.toLowerCase(), "responses", String(answer.status)];
	let response = operation.responses[answer.status];
	if (!response)
		return `status ${answer.status} is not documented`;
	if (response.$ref) {
		steps = response.$ref.slice(2).split("/");
		response = steps.reduce((at, step) => at[step], doc);
	}
	if (!response.content)
		return answer.body === "" ? "" : "no body is documented";
	const type = Object.keys(response.content).find((t) => t.split(";")[0] === (answer.type ?? "").split(";")[0]);
	if (!type)
		return `Content-Type ${answer.type} is not documented`;
	if (!type.startsWith("application/json"))
		return "";
	const validate = ajv.getSchema(fragment(...steps, "content", type, "schema"));
	if (!validate)
		return "there is no schema";
	return validate(JSON.parse(answer.body)) ? "" : ajv.errorsText(validate.errors);
}

for (const file of process.argv.slice(3)) {
	for (const line of readFileSync(file, "utf8").split("\n").filter(Boolean)) {
		const answer = JSON.parse(line);
		const complaint = judge(answer);
		if (complaint)
			console.log(`${file}: ${answer.method} ${answer.path} (${answer.status}): ${complaint}: ${answer.body.slice(0, 300)}`);
	}
}
