------------------------- MODULE HeterogeneousPaxos -------------------------
(***************************************************************************)
(* One instance of Heterogeneous Paxos as this project understands it,     *)
(* with Byzantine acceptors that act: a second opinion on the Rust model.  *)
(* It is written from the definitions (consensus/src/lib.rs lists them),   *)
(* in their words, and shares no code with the engine, the naive twin or   *)
(* the model; TLC must count the same states as the model does.            *)
(*                                                                         *)
(* A step is one receipt, one answer, or one Byzantine message.  Messages  *)
(* stay in the network for ever: delay, loss, duplication and reordering   *)
(* are that somebody does not receive them yet.  Learners are observers of *)
(* the network, so they take no steps.                                     *)
(*                                                                         *)
(* Left out: proposers (all 1a's exist from the start, one for each        *)
(* ballot, which is more than any proposer does), rounds and timers (every *)
(* acceptor is beyond all ballots, so every 1a is ripe), values that are   *)
(* unknown or not valid, equivocating proposers, crashes, amnesia, and     *)
(* everything that concerns more than one slot.                            *)
(*                                                                         *)
(* spec/tla/configurations.toml has the constants, `make tlc` runs it.     *)
(***************************************************************************)
EXTENDS Integers, FiniteSets, TLC

CONSTANTS
    Acceptors,      \* names, as strings; "1a" is none
    Learners,       \* names, as strings
    Quorums,        \* of each learner, its minimal quorums
    Edges,          \* declared edges: [between: one or two learners, safe: minimal safe sets]
    Sends,          \* 3 or 4
    Values,         \* a sequence: those of the ballots, in ascending order
    Byzantine,      \* acceptors that sign what they like
    ByzantineMax    \* how many messages they sign in all

Ballots == DOMAIN Values
Honest  == Acceptors \ Byzantine

ASSUME
    /\ "1a" \notin Acceptors
    /\ Byzantine \subseteq Acceptors
    /\ Sends \in {3, 4}
    /\ ByzantineMax \in Nat
    /\ \A l \in Learners : Quorums[l] \subseteq SUBSET Acceptors
    /\ \A edge \in Edges : edge.between \subseteq Learners /\ edge.safe \subseteq SUBSET Acceptors

VARIABLES
    messages,   \* all that were signed: their names, and what is known of each
    dag,        \* of each honest acceptor, the messages that it holds
    taken       \* of each honest acceptor, those of them that it has taken in

vars == <<messages, dag, taken>>

-----------------------------------------------------------------------------
(* The learner graph.  Conditions are sets of all the sets at which they hold. *)

Supersets(minimal) == {X \in SUBSET Acceptors : \E least \in minimal : least \subseteq X}

ContainsQuorum(l, signers) == \E quorum \in Quorums[l] : quorum \subseteq signers

Declared == [pair \in Learners \X Learners |->
    UNION {Supersets(edge.safe) : edge \in {e \in Edges : e.between = {pair[1], pair[2]}}}]

\* Condensed: a safe set of l-m and of m-k is one of l-k.
RECURSIVE Condensed(_)
Condensed(edges) ==
    LET composed == [pair \in Learners \X Learners |->
            edges[pair] \cup UNION {edges[pair[1], m] \cap edges[m, pair[2]] : m \in Learners}]
    IN  IF composed = edges THEN edges ELSE Condensed(composed)

S == Condensed(Declared)

\* Learners that a learner is connected to while `caught` are known to be Byzantine.
ConnectedWithout(l, caught) == {k \in Learners : \E X \in S[l, k] : X \cap caught = {}}

\* covers(l, k): learners m such that every safe set of S(l,k) is one of S(k,m).
Covers == [pair \in Learners \X Learners |->
    {m \in Learners : S[pair] # {} /\ S[pair] \subseteq S[pair[2], m]}]

Entangled(l, k) == \E X \in S[l, k] : X \cap Byzantine = {}

-----------------------------------------------------------------------------
(* Messages.  A 1a is named <<"1a", ballot>>; the n-th message of an honest acceptor, whose       *)
(* messages are one chain, <<acceptor, n>>; a Byzantine acceptor's <<acceptor, its content>>.     *)
(* So within a state, equal names are equal contents.  `prev` is a set of one name, or of none.   *)
(* Beside a message stands what is derived from it, which depends on it and what lies below it    *)
(* alone:                                                                                         *)
(*    below     it and, recursively, everything that it references                                *)
(*    ballot    that of the highest 1a below it                                                   *)
(*    caught    signers of two different messages of kinds 1b, 2a, 2b below it with equal `prev`  *)
(*    fresh     of a 1b, the learners that it is fresh for                                        *)
(*    learners  of a 2a or 2b, the learners that it names                                         *)

Max(numbers) == CHOOSE n \in numbers : \A m \in numbers : m <= n

Proposal(ballot) == [
    kind |-> "1a", signer |-> "1a", prev |-> {}, refs |-> {}, below |-> {<<"1a", ballot>>},
    ballot |-> ballot, caught |-> {}, fresh |-> {}, learners |-> {}]

\* Those of `names` that are no 1a's.
Replies(known, names) == {x \in names : known[x].kind # "1a"}

OfSigner(known, names, a) == {x \in names : known[x].signer = a}

\* Signers of two different replies with equal `prev`.
Forked(known, names) ==
    LET replies == Replies(known, names)
        places  == {<<known[x].signer, known[x].prev>> : x \in replies}
    IN  IF Cardinality(places) = Cardinality(replies) THEN {}
        ELSE {known[x].signer : x \in {y \in replies : \E z \in replies :
                y # z /\ known[y].signer = known[z].signer /\ known[y].prev = known[z].prev}}

\* The name that x gets.
Name(known, x) ==
    IF x.signer \in Byzantine
    THEN <<x.signer, [kind |-> x.kind, prev |-> x.prev, refs |-> x.refs]>>
    ELSE <<x.signer, 1 + Cardinality(OfSigner(known, DOMAIN known, x.signer))>>

(* `known`, and x = [kind, signer, prev, refs] with what is derived of it if it is well-formed.   *)
(* The references of x are known, so they are well-formed.                                        *)
WithIfWellFormed(known, x) ==
    LET below   == UNION {known[y].below : y \in x.refs}    \* strictly
        ballot  == Max({known[y].ballot : y \in {y \in below : known[y].kind = "1a"}})
        value   == Values[ballot]
        Own(kind)  == {y \in below : known[y].kind = kind /\ known[y].signer = x.signer}
        Same(kind) == {y \in below : known[y].kind = kind /\ known[y].ballot = ballot}
        caught  == Forked(known, below)
            \cup {a \in {x.signer} : \E y \in OfSigner(known, below, a) : known[y].prev = x.prev}
        Connected(l) == ConnectedWithout(l, caught)

        \* Locks of the signer at its 1b x, and what lets them go.
        softLocks == IF Sends = 4 THEN Own("2a") ELSE {}
        hardLocks == IF Sends = 4 THEN Own("2b") ELSE Own("2a")
        ValueOf(y) == Values[known[y].ballot]
        Overtakers(lock) == {z \in below :
            /\ known[z].kind = "2a"
            /\ known[z].ballot > known[lock].ballot
            /\ ValueOf(z) # ValueOf(lock)}
        SoftLetsGo(lock, k) ==
            \E z \in Overtakers(lock) : known[z].learners \cap Connected(k) # {}
        HardLetsGo(lock, k, l) ==
            \E z \in Overtakers(lock) : known[z].learners \cap Covers[l, k] # {}
        Binding(locks) == {lock \in locks : ValueOf(lock) # value}
        Bound(lock, l) == known[lock].learners \cap Connected(l)
        Fresh(l) ==
            /\ \A lock \in Binding(softLocks) : \A k \in Bound(lock, l) : SoftLetsGo(lock, k)
            /\ \A lock \in Binding(hardLocks) : \A k \in Bound(lock, l) : HardLetsGo(lock, k, l)
        fresh == IF x.kind = "1b" THEN {l \in Learners : Fresh(l)} ELSE {}

        Votes(l)   == {y \in Same("1b") : l \in known[y].fresh}
        Accepts(l) == {y \in Same("2a") : l \in known[y].learners}
        Signers(names) == {known[y].signer : y \in names}
        learners ==
            CASE x.kind = "1b" -> {}
              [] x.kind = "2a" -> {l \in Learners : ContainsQuorum(l, Signers(Votes(l)))}
              [] x.kind = "2b" -> {l \in Learners : ContainsQuorum(l, Signers(Accepts(l)))}

        \* Well-formed.
        hasBallot  == \E y \in below : known[y].kind = "1a"
        prevIsOwn  == x.prev \subseteq OfSigner(known, x.refs, x.signer)
        proposals  == {y \in x.refs : known[y].kind = "1a"}
        fewReferences ==
            /\ Cardinality(proposals) <= 1
            /\ \A a \in Acceptors : Cardinality(OfSigner(known, x.refs \ x.prev, a)) <= 2
        answersOnce ==
            /\ \E y \in proposals : known[y].ballot = ballot
            /\ \A y \in Replies(known, below) : known[y].ballot # ballot
        saysSomethingNew ==
            /\ learners # {}
            /\ \A y \in Own(x.kind) \cap Same(x.kind) : ~(learners \subseteq known[y].learners)
        wellFormed ==
            /\ hasBallot
            /\ x.kind = "2b" => Sends = 4
            /\ prevIsOwn
            /\ fewReferences
            /\ IF x.kind = "1b" THEN answersOnce ELSE proposals = {} /\ saysSomethingNew
            /\ x.signer \notin caught
        name == Name(known, x)
    IN  IF ~wellFormed THEN known
        ELSE known @@ (name :> [
            kind |-> x.kind, signer |-> x.signer, prev |-> x.prev, refs |-> x.refs,
            below |-> below \cup {name}, ballot |-> ballot, caught |-> caught,
            fresh |-> fresh, learners |-> learners])

-----------------------------------------------------------------------------
(* The honest acceptor. *)

\* Its last message, if there is one.
Last(known, p) ==
    LET count == Cardinality(OfSigner(known, DOMAIN known, p))
    IN  IF count = 0 THEN {} ELSE {<<p, count>>}

\* The maximal ones of what was taken in, without 1a's: only the 1b that answers one references it.
Recent(known, names) ==
    LET replies == Replies(known, names)
    IN  replies \ UNION {known[x].refs : x \in replies}

\* What it would say, having taken in `names`, in answer to `proposals`.
Draft(known, p, names, kind, proposals) ==
    LET prev == Last(known, p)
    IN  [kind |-> kind, signer |-> p, prev |-> prev,
         refs |-> prev \cup Recent(known, names) \cup proposals]

\* Whether it answered no 1a of this ballot's round or a higher one.
IsFirstAnswer(p, ballot) ==
    \A x \in OfSigner(messages, DOMAIN messages, p) :
        messages[x].kind = "1b" => messages[x].ballot < ballot

\* p's state, once what `known` has beyond the network is signed, sent and taken in.
Sign(p, known, held, tookIn) ==
    LET new == DOMAIN known \ DOMAIN messages
    IN  /\ messages' = known
        /\ dag' = [dag EXCEPT ![p] = held \cup new]
        /\ taken' = [taken EXCEPT ![p] = tookIn \cup new]

\* p receives m, with what is missing below it if all of that is by signers known to have forked:
\* theirs are welcome only where somebody else's needs them. It takes in what it may, and votes.
Deliver(p, m) ==
    /\ m \notin dag[p]
    /\ LET missing == messages[m].below \ dag[p]
           forked  == Forked(messages, dag[p])
           held    == dag[p] \cup missing
           caught  == Forked(messages, taken[p])
           tookIn  == taken[p] \cup IF messages[m].signer \in caught THEN {} ELSE messages[m].below
           vote    == Draft(messages, p, tookIn, "1b", {m})
       IN  /\ messages[m].signer \notin forked
           /\ \A y \in missing \ {m} : messages[y].signer \in forked
           /\ IF messages[m].kind = "1a" /\ IsFirstAnswer(p, messages[m].ballot)
              THEN Sign(p, WithIfWellFormed(messages, vote), held, tookIn)
              ELSE Sign(p, messages, held, tookIn)

\* p accepts and commits, when it can.
Answer(p) ==
    LET accept   == Draft(messages, p, taken[p], "2a", {})
        accepted == WithIfWellFormed(messages, accept)
        own      == DOMAIN accepted \ DOMAIN messages
        commit   == Draft(accepted, p, taken[p] \cup own, "2b", {})
        answered == IF Sends = 4 THEN WithIfWellFormed(accepted, commit) ELSE accepted
    IN  /\ DOMAIN answered # DOMAIN messages
        /\ Sign(p, answered, dag[p], taken[p])

-----------------------------------------------------------------------------
(* The Byzantine acceptor signs any well-formed message once, but for references that say         *)
(* nothing: apart from `prev`, none lies below another.                                           *)

\* Sets of messages, none of them below another, at most two of each signer, and at most one 1a.
RECURSIVE Antichains(_)
Antichains(signers) ==
    IF signers = {} THEN {{}}
    ELSE LET a      == CHOOSE a \in signers : TRUE
             own    == OfSigner(messages, DOMAIN messages, a)
             few    == {{}} \cup {{x} : x \in own}
                       \cup (IF a = "1a" THEN {} ELSE {{x, y} : x, y \in own})
             IsAntichain(names) == \A x, y \in names : x # y => x \notin messages[y].below
         IN  {names \in {one \cup rest : one \in few, rest \in Antichains(signers \ {a})} :
                 IsAntichain(names)}

Misbehave(b) ==
    LET signed == UNION {OfSigner(messages, DOMAIN messages, a) : a \in Byzantine}
        own    == OfSigner(messages, DOMAIN messages, b)
    IN  /\ Cardinality(signed) < ByzantineMax
        /\ \E kind \in {"1b", "2a", "2b"}, prev \in {{}} \cup {{y} : y \in own},
              others \in Antichains(Acceptors \cup {"1a"}) :
            LET x == [kind |-> kind, signer |-> b, prev |-> prev, refs |-> others \cup prev]
            IN  /\ \A y \in prev : others \cap messages[y].below = {}
                /\ Name(messages, x) \notin DOMAIN messages
                /\ messages' = WithIfWellFormed(messages, x)
                /\ messages' # messages
        /\ UNCHANGED <<dag, taken>>

-----------------------------------------------------------------------------
Init ==
    /\ messages = [name \in {<<"1a", ballot>> : ballot \in Ballots} |-> Proposal(name[2])]
    /\ dag = [p \in Honest |-> {}]
    /\ taken = [p \in Honest |-> {}]

Next ==
    \/ \E p \in Honest :
        \/ \E m \in DOMAIN messages : Deliver(p, m)
        \/ Answer(p)
    \/ \E b \in Byzantine : Misbehave(b)

Spec == Init /\ [][Next]_vars

-----------------------------------------------------------------------------
(* What must hold. *)

\* What l decides, for whoever sees the whole network.
Decided(l) ==
    LET Naming(ballot) == {x \in DOMAIN messages :
            /\ messages[x].kind = IF Sends = 4 THEN "2b" ELSE "2a"
            /\ messages[x].ballot = ballot
            /\ l \in messages[x].learners}
    IN  {Values[ballot] : ballot \in
            {b \in Ballots : ContainsQuorum(l, {messages[x].signer : x \in Naming(b)})}}

\* Entangled learners never decide differently.
Agreement ==
    LET decided == [l \in Learners |-> Decided(l)]
    IN  \A l, k \in Learners : Entangled(l, k) =>
            \A v \in decided[l], w \in decided[k] : v = w

\* Nobody honest is caught, by whatever combination of messages.
HonestAreNeverCaught == Forked(messages, DOMAIN messages) \subseteq Byzantine

\* An honest acceptor's messages are one chain: the n-th is the `prev` of the next, and below it.
HonestAreChains ==
    \A p \in Honest : \A x \in OfSigner(messages, DOMAIN messages, p) :
        /\ messages[x].prev = IF x[2] = 1 THEN {} ELSE {<<p, x[2] - 1>>}
        /\ messages[x].prev \subseteq messages[x].below

\* Nothing is left pending: what is not taken in of one's own choice is not received alone either.
NothingIsPending == taken = dag
=============================================================================
