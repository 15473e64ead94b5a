/** Text broken between words into lines of at most `width` characters, each indented. Blank lines part paragraphs. */
export function wrap(text: string, width: number, indent = ""): string {
  return text
    .split(/\n\s*\n/)
    .map((paragraph) => wrapParagraph(paragraph, width - indent.length, indent))
    .join("\n\n");
}

function wrapParagraph(text: string, width: number, indent: string): string {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(/\s+/).filter((part) => part !== "")) {
    if (line !== "" && line.length + 1 + word.length > width) {
      lines.push(line);
      line = "";
    }
    line += line === "" ? word : ` ${word}`;
  }
  if (line !== "") lines.push(line);
  return lines.map((each) => indent + each).join("\n");
}
