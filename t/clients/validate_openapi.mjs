// Judge an OpenAPI document (standard input) by two validators of different
// makers: a complaint of each, nothing when they are content.
import { readFileSync } from "node:fs";
import SwaggerParser from "@apidevtools/swagger-parser";
import { Validator } from "@seriousme/openapi-schema-validator";

const text = readFileSync(0, "utf8");

const seriousme = await new Validator().validate(JSON.parse(text));
if (!seriousme.valid)
	console.log("openapi-schema-validator:", JSON.stringify(seriousme.errors, null, 1));

try {
	await SwaggerParser.validate(JSON.parse(text));
} catch (e) {
	console.log("swagger-parser:", e.message);
}
