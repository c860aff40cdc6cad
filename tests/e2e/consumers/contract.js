// Reads an AsyncAPI document as its users' tools do, prints what they make of it as JSON.
//   node contract.js FILE
const models = require('@asyncapi/modelina');
const { Parser, fromFile } = require('@asyncapi/parser');

const generators = {
  CSharp: models.CSharpGenerator, Go: models.GoGenerator, Java: models.JavaGenerator, Kotlin: models.KotlinGenerator,
  Python: models.PythonGenerator, Rust: models.RustGenerator, TypeScript: models.TypeScriptGenerator,
};

async function main() {
  const { document, diagnostics } = await fromFile(new Parser(), process.argv[2]).parse();
  const errors = diagnostics.filter((d) => d.severity <= 1).map((d) => `${d.path.join('.')}: ${d.message}`);
  const generated = {};
  for (const [language, Generator] of Object.entries(document ? generators : {}))
    generated[language] = (await new Generator().generate(document)).map((m) => [m.modelName, m.result]);
  console.log(JSON.stringify({ errors, generated }));
}

main().catch((error) => { console.error(error); process.exit(1); });
