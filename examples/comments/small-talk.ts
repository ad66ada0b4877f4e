import type { Language } from './moments.ts';

/** What people write while nothing special happens. ` / ` stands between two phrases. `{…}` is filled in. */
export const smallTalk: Readonly<Record<Language, string>> = {
  zh:
    '{城市}打卡 / {城市}来报到 / {数字}点了还不睡 / 有没有一起看的 / 这个贝斯线太好听了 / 主唱的帽子在哪买的 / 左边那位吉他手笑了 / 这歌叫什么 / 叫纸船 / 是《纸船》 / ' +
    '第一次看他们现场 / 我是第三遍了 / 音响效果绝了 / 楼顶风好大 / 能看到月亮 / 邻居不会投诉吗 / 邻居也在看哈哈 / 这段鼓好稳 / 弹幕护体 / 高清赛高 / 作业还没写完先看一会 / 就看五分钟 / ' +
    '我妈问我在笑什么 / 猫又回来了 / 猫睡着了 / 那只猫叫什么 / 叫音箱 / 吉他换弦了? / 低音好舒服 / 戴耳机听 / 建议戴耳机 / 这句歌词写到心里了 / 有歌词吗 / 一起唱 / 主唱今天状态好好 / ' +
    '那边的灯串好温馨 / 我也想要个楼顶 / 房租不允许 / 这不比演唱会香 / 同事在我后面看 / 老板别看我 / 我在地铁上听 / 在加班的举手 / 举手 / 考完试来的 / 祝大家都考过 / 借楼祝我生日快乐 / 生日快乐! / ' +
    '今晚的风是什么味道 / 烧烤味 / 隔着屏幕饿了 / 谁在烤串 / 和声好听 / 这个转音 / 太丝滑了 / 弹幕好和谐 / 爱了爱了 / 循环一整天 / 收藏了 / 三连了 / 导播镜头好稳 / 导播加鸡腿 / 多给猫几个镜头 / ' +
    '键盘手好低调 / 键盘手深藏不露 / 这什么神仙乐队 / 才十几万人看?不合理 / 迟到了错过什么 / 错过了猫 / 那我从头看 / 歌词纸飞走了 / 他忘词了哈哈 / 忘词都这么帅 / 我家楼下都听见了 / 你住哪',
  en:
    'hello from {city} / {city} is watching / it is {hour} am here, worth it / who else is at work right now / what song is this? / it is called Paper Boats / Paper Boats, second album / first time seeing them live / third time watching / ' +
    'that bass line / bass player so calm / headphones recommended / how is the sound this good on a roof / I can see the moon / do the neighbours not mind? / the neighbours are in the chat / hi, I am the neighbour / ' +
    'nice hat / where is the hat from / keys player is underrated / just five more minutes / should be studying / my dog is listening too / my dog just tilted his head / mum asked why I am smiling / that harmony / ' +
    'the wind took the lyrics / he forgot the words and nobody minds / the cat is asleep now / cat is back / what is the cat called? / his name is Amp / Amp!! / camera person deserves a prize / more cat please / ' +
    'it is my birthday today / happy birthday! / happy birthday whoever you are / listening on the bus / night shift gang / I want a roof / rent says no / this beats a stadium / such a friendly chat / ' +
    'somebody is grilling something / now I am hungry / tune sounds lower tonight / new arrangement? / I like this version better / adding to my playlist / this bridge / those fairy lights / dancing in my kitchen / ' +
    'late, what did I miss? / you missed a cat / going back to the start then / the drummer never blinks / singing along badly / same / thank you for streaming this / hi to everyone reading this / greetings from a train',
  ja:
    '{都市}から見てます / 深夜{数}時です / この曲なに? / 「紙の舟」です / はじめて生で見た / 3回目 / ベースいい音 / イヤホン推奨 / 屋上いいなあ / 月が見える / ご近所さん怒らない? / ご近所さんも見てるw / ' +
    '帽子かわいい / キーボード渋い / あと5分だけ / 宿題は明日 / うちの犬も聞いてる / ハモリきれい / 歌詞カード飛んだw / 歌詞忘れたw / 猫ねた / 猫の名前は? / アンプちゃん / カメラさん上手 / もっと猫を / ' +
    '今日誕生日です / おめでとう! / 電車で聞いてる / 夜勤勢いる? / いるよ / 音やさしい / いい風 / 焼き鳥のにおいしそう / おなかすいた / アレンジ変えた? / こっちのほうが好き / 電球かわいい / ' +
    '台所で踊ってる / いま来た / 猫見逃したの? / 最初から見る / ドラムまばたきしない / 一緒に歌おう / コメント優しい / 配信ありがとう',
  ko:
    '{도시}에서 보고 있어요 / 새벽 {수}시 / 이 노래 뭐예요? / 종이배예요 / 라이브 처음 봐요 / 세 번째 보는 중 / 베이스 좋다 / 이어폰 추천 / 옥상 부럽다 / 달 보인다 / 이웃분들 괜찮나 / 이웃도 보는 중ㅋㅋ / ' +
    '모자 예쁘다 / 건반 숨은 고수 / 5분만 더 / 과제는 내일 / 우리 강아지도 듣는 중 / 화음 좋다 / 가사 날아갔다 / 가사 까먹음ㅋㅋ / 고양이 잔다 / 이름이 뭐예요 / 앰프래요 / 카메라 감독님 최고 / ' +
    '오늘 제 생일이에요 / 생일 축하해요! / 버스에서 듣는 중 / 야근하는 사람 / 저요 / 배고프다 / 편곡 바뀌었네 / 이 버전이 더 좋아 / 전구 예쁘다 / 지금 왔어요 / 고양이 놓쳤네 / 처음부터 봐야지 / 같이 불러요',
  es:
    'saludos desde {ciudad} / aquí son las {hora} de la mañana / ¿cómo se llama esta canción? / Barcos de papel / primera vez en directo / qué bajo / con auriculares, por favor / se ve la luna / ¿y los vecinos? / los vecinos están en el chat / ' +
    'me encanta el sombrero / cinco minutos más / debería estar estudiando / mi perro también escucha / qué armonías / se voló la letra / el gato se durmió / ¿cómo se llama el gato? / hoy es mi cumpleaños / ¡feliz cumpleaños! / ' +
    'bailando en la cocina / quiero una azotea / huele a asado / me dio hambre / esta versión es mejor / llegué tarde, ¿qué pasó? / te perdiste al gato / gracias por emitirlo',
  pt:
    'oi de {cidade} / aqui são {hora} da manhã / que música é essa? / Barcos de papel / primeira vez ao vivo / esse baixo / de fone é melhor / dá pra ver a lua / e os vizinhos? / os vizinhos estão no chat / ' +
    'adorei o chapéu / só mais cinco minutos / devia estar estudando / meu cachorro tá ouvindo / que harmonia / a letra voou / o gato dormiu / qual o nome do gato? / hoje é meu aniversário / parabéns!! / dançando na cozinha / cheguei agora, o que perdi? / perdeu o gato',
  fr:
    'bonjour de {ville} / il est {heure} h ici / c’est quoi cette chanson ? / Bateaux de papier / première fois en direct / cette ligne de basse / au casque c’est mieux / on voit la lune / et les voisins ? / les voisins sont dans le chat / ' +
    'joli chapeau / encore cinq minutes / je devrais réviser / mon chien écoute aussi / les paroles se sont envolées / le chat dort / c’est mon anniversaire / joyeux anniversaire ! / je danse dans la cuisine / j’arrive, j’ai raté quoi ? / tu as raté le chat',
  de:
    'Grüße aus {Stadt} / hier ist es {Stunde} Uhr nachts / wie heißt das Lied? / Papierboote / zum ersten Mal live / dieser Bass / mit Kopfhörern! / man sieht den Mond / und die Nachbarn? / die Nachbarn sind im Chat / ' +
    'schöner Hut / nur noch fünf Minuten / müsste eigentlich lernen / mein Hund hört mit / Text weggeflogen / die Katze schläft / ich habe heute Geburtstag / alles Gute! / tanze in der Küche / gerade gekommen, was war? / du hast die Katze verpasst',
  ar: 'تحية من {مدينة} / الساعة {ساعة} فجرًا هنا / ما اسم الأغنية؟ / قوارب من ورق / أول مرة أشاهدهم مباشرة / صوت الباس رائع / أرى القمر / القبعة جميلة / خمس دقائق أخرى فقط / نامت القطة / اليوم عيد ميلادي / كل عام وأنت بخير / وصلت متأخرًا / فاتتك القطة',
  hi: '{शहर} से नमस्ते / यहाँ रात के {बजे} बजे हैं / ये कौन सा गाना है? / काग़ज़ की नाव / पहली बार लाइव देखा / बेस कमाल है / चाँद दिख रहा है / टोपी अच्छी है / बस पाँच मिनट और / बिल्ली सो गई / आज मेरा जन्मदिन है / जन्मदिन मुबारक! / देर से आया, क्या हुआ? / बिल्ली छूट गई',
};

/** What `{…}` with a place in it is filled with. */
export const places: Readonly<Record<Language, string>> = {
  zh: '成都 / 上海 / 广州 / 哈尔滨 / 西安 / 武汉 / 杭州 / 昆明 / 台北 / 乌鲁木齐 / 厦门 / 重庆',
  en: 'Lisbon / Dublin / Nairobi / Toronto / Glasgow / Auckland / Lagos / Chicago / Manila / Reykjavik / Cape Town / Leeds',
  ja: '札幌 / 大阪 / 福岡 / 仙台 / 那覇 / 京都 / 金沢',
  ko: '서울 / 부산 / 대전 / 제주 / 광주 / 강릉',
  es: 'Bogotá / Madrid / Lima / Montevideo / Sevilla / Monterrey',
  pt: 'Recife / Porto / Belo Horizonte / Luanda / Curitiba',
  fr: 'Lyon / Montréal / Dakar / Bruxelles / Nantes',
  de: 'Leipzig / Wien / Zürich / Bremen / Köln',
  ar: 'القاهرة / الرباط / عمّان / بيروت',
  hi: 'जयपुर / मुंबई / लखनऊ / पटना',
};

/** Laughter: what it begins with, and what is repeated. */
export const laughter: Readonly<Record<Language, readonly [begin: string, again: string]>> = {
  zh: ['哈哈', '哈'],
  en: ['haha', 'ha'],
  ja: ['ww', 'w'],
  ko: ['ㅋㅋ', 'ㅋ'],
  es: ['jaja', 'ja'],
  pt: ['kkk', 'k'],
  fr: ['mdr', 'r'],
  de: ['haha', 'ha'],
  ar: ['هه', 'ه'],
  hi: ['हाहा', 'हा'],
};

/** Applause and joy that need no language. */
export const cheers =
  '👏👏👏 / 🔥🔥🔥 / 😭😭 / 🐱 / 🐱🐱🐱 / ❤️❤️❤️ / 🎸 / 🥁🥁 / ✨✨ / 🌙 / 666 / 6666 / 88888888 / 233333 / !!! / ♪♪♪ / (๑•̀ㅂ•́)و✧ / ヽ(✿゚▽゚)ノ / \\o/ / <3 / GG / 🎆🎆';
