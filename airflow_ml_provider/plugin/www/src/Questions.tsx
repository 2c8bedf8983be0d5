import { Alert, Link as ChakraLink } from "@chakra-ui/react";
import { Link } from "react-router-dom";

import { ago } from "./ago";
import type { components } from "./answers";
import { questionLink } from "./links";

interface QuestionsProps {
  readonly dagId: string;
  readonly now: number;
  readonly questions: readonly components["schemas"]["QuestionAnswer"][];
}

/** Questions to a person that nobody has answered, with links to answer them. */
export function Questions({ dagId, now, questions }: QuestionsProps) {
  return questions.map((question) => (
    <Alert.Root
      key={`${question.run_id} ${question.task_id} ${String(question.map_index)}`}
      role="status"
      status="warning"
    >
      <Alert.Indicator />
      <Alert.Title>
        <ChakraLink asChild color="fg.info">
          <Link to={questionLink(dagId, question)}>{question.subject}</Link>
        </ChakraLink>{" "}
        (asked {ago(question.asked, now)})
      </Alert.Title>
    </Alert.Root>
  ));
}
