// The page's own code that makes terms of a query from a record, for Node.
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";

const web = fileURLToPath(new URL("../../crates/console/web/", import.meta.url));
const { buildSync } = createRequire(`${web}package.json`)("esbuild");
const built = buildSync({ entryPoints: [`${web}src/model/fields.ts`], bundle: true, format: "esm", write: false });
export const { fieldsOf } = await import(`data:text/javascript;base64,${Buffer.from(built.outputFiles[0].contents).toString("base64")}`);
