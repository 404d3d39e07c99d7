// What the page uses of Preact (https://preactjs.com), in words of its own; the file itself has no types.
export type Node = object | string | number | boolean | null | undefined | Node[];
export function h(type: string | Function, props: object | null, ...children: Node[]): Node;
export const Fragment: (props: { children?: Node }) => Node;
export function render(node: Node, into: Element): void;
