// Judge OpenAPI documents, files, by two validators of different makers: a line
// for each complaint, with the file's name in front.
import { readFileSync } from "node:fs";
import SwaggerParser from "@apidevtools/swagger-parser";
import { Validator } from "@seriousme/openapi-schema-validator";

for (const file of process.argv.slice(2)) {
	const text = readFileSync(file, "utf8");

	const seriousme = await new Validator().validate(JSON.parse(text));
	if (!seriousme.valid)
		console.log(file, "openapi-schema-validator:", JSON.stringify(seriousme.errors));

	try {
		await SwaggerParser.validate(JSON.parse(text));
	} catch (e) {
		console.log(file, "swagger-parser:", JSON.stringify(e.message));
	}
}
