import { Box, Text } from "@chakra-ui/react";
import dagre from "@dagrejs/dagre";
import { Background, type Edge, Handle, type Node, type NodeProps, Position, ReactFlow } from "@xyflow/react";
import styles from "@xyflow/react/dist/base.css?inline";
import { useMemo } from "react";

import type { components } from "./answers";
import { useTheme } from "./theme";

/** A stage in a graph. */
export interface GraphStage extends Readonly<components["schemas"]["GraphStageAnswer"]> {
  /** How many task instances it has. */
  readonly count: number;
  readonly isReused: boolean;
  readonly state: string;
}

type Stage = GraphStage;
type StageNode = Node<{ chosen: boolean; stage: Stage }, "stage">;

const WIDTH = 200;
const HEIGHT = 58;
const NODE_TYPES = { stage: StageBox };

interface StageGraphProps {
  /** Is told which stage was chosen; without it none can be. */
  readonly choose?: (taskId: string) => void;
  readonly chosen?: string;
  readonly stages: readonly Stage[];
}

/** Stages, upstream at the left, each with its state. */
export function StageGraph({ choose, chosen, stages }: StageGraphProps) {
  const theme = useTheme();
  const shape = JSON.stringify(stages.map(({ inputs, task_id, upstream }) => [task_id, upstream, inputs]));
  const { edges, height, places } = useMemo(() => layout(JSON.parse(shape) as Shape), [shape]);
  const nodes: StageNode[] = stages.map((stage) => ({
    ariaLabel: `Stage ${stage.task_id}: ${stage.state || "no state"}${stage.isReused ? ", reused" : ""}`,
    data: { chosen: stage.task_id === chosen, stage },
    height: HEIGHT,
    id: stage.task_id,
    position: places[stage.task_id] ?? { x: 0, y: 0 },
    selected: stage.task_id === chosen,
    type: "stage",
    width: WIDTH,
  }));
  return (
    <Box
      aria-label="Stages"
      as="section"
      borderColor="border"
      borderRadius="md"
      borderWidth="1px"
      height={`${String(Math.min(Math.max(height + 40, 140), 420))}px`}
    >
      <style>{styles}</style>
      <ReactFlow
        // Otherwise it is light, and so are the tokens of all that is in it.
        colorMode={theme}
        edges={edges}
        edgesFocusable={false}
        elementsSelectable={choose !== undefined}
        fitView
        fitViewOptions={{ maxZoom: 1, padding: 0.1 }}
        minZoom={0.2}
        nodeTypes={NODE_TYPES}
        nodes={nodes}
        nodesConnectable={false}
        nodesDraggable={false}
        nodesFocusable={choose !== undefined}
        onNodesChange={(changes) => {
          for (const change of changes) if (change.type === "select" && change.selected) choose?.(change.id);
        }}
        preventScrolling={false}
        proOptions={{ hideAttribution: true }}
        zoomOnScroll={false}
      >
        <Background />
      </ReactFlow>
    </Box>
  );
}

function StageBox({ data: { chosen, stage } }: NodeProps<StageNode>) {
  const state = stage.state || "none";
  return (
    <Box
      bg={chosen ? "bg.emphasized" : "bg.panel"}
      borderColor={`${state}.solid`}
      borderRadius="md"
      borderWidth={chosen ? "2px" : "1px"}
      height={`${String(HEIGHT)}px`}
      paddingX={2}
      paddingY={1}
      textAlign="start"
      style={{ borderInlineStartWidth: "6px" }}
      width={`${String(WIDTH)}px`}
    >
      <Handle isConnectable={false} position={Position.Left} style={{ opacity: 0 }} type="target" />
      <Text fontSize="sm" fontWeight="semibold" truncate>
        {stage.task_id}
      </Text>
      <Text color="fg.muted" fontSize="xs" truncate>
        {[stage.kind.replaceAll("_", " "), (stage.state || "no state").replaceAll("_", " "), stage.isReused ? "reused" : "", stage.count > 1 ? `× ${String(stage.count)}` : ""]
          .filter(Boolean)
          .join(" · ")}
      </Text>
      <Handle isConnectable={false} position={Position.Right} style={{ opacity: 0 }} type="source" />
    </Box>
  );
}

type Shape = [task: string, upstream: string[], inputs: Record<string, string>][];

interface Layout {
  edges: Edge[];
  height: number;
  places: Record<string, { x: number; y: number }>;
}

/** Return where stages are drawn, and the lines between them with the artifacts that go along. */
export function layout(shape: Shape): Layout {
  const graph = new dagre.graphlib.Graph();
  graph.setGraph({ nodesep: 24, rankdir: "LR", ranksep: 90 });
  graph.setDefaultEdgeLabel(() => ({}));
  const edges: Edge[] = [];
  for (const [task] of shape) graph.setNode(task, { height: HEIGHT, width: WIDTH });
  for (const [task, upstream, inputs] of shape) {
    for (const above of upstream) {
      const artifacts = Object.values(inputs)
        .filter((from) => from.startsWith(`${above}.`))
        .map((from) => from.slice(above.length + 1));
      graph.setEdge(above, task);
      edges.push({
        id: `${above} ${task}`,
        label: artifacts.join(", "),
        labelStyle: { fill: "currentColor", fontSize: 10 },
        labelShowBg: false,
        source: above,
        target: task,
      });
    }
  }
  dagre.layout(graph);
  const places: Layout["places"] = {};
  let height = HEIGHT;
  for (const [task] of shape) {
    const { x, y } = graph.node(task) as { x: number; y: number };
    places[task] = { x: x - WIDTH / 2, y: y - HEIGHT / 2 };
    height = Math.max(height, y + HEIGHT / 2);
  }
  return { edges, height, places };
}
